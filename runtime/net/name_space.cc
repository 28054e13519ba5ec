#include "runtime/net/name_space.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>

#include "runtime/base/fs.h"

namespace convox::net {

Result<UniqueFd> open_network_namespace(const std::string& path) {
  UniqueFd file = TRY(fs::open(path, O_RDONLY | O_NONBLOCK));
  // The kernel says by ioctl what kind it is; what is no namespace at all does not know the question.  ioctl_ns(2)
  if (sys::ioctl(file.get(), NS_GET_NSTYPE, 0L) != CLONE_NEWNET)
    return invalid(cat(path, " is not a network namespace"));
  return file;
}

}  // namespace convox::net
