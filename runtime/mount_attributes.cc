#include "runtime/mount_attributes.h"

#include <fcntl.h>
#include <linux/mount.h>

namespace convox::runtime {

Result<> change_mount(int tree, const MountChange& change, const std::string& what) {
  mount_attr attributes{};
  attributes.attr_set = change.set;
  attributes.attr_clr = change.clear;
  attributes.propagation = change.propagation;
  if (change.user_namespace >= 0) {
    attributes.attr_set |= MOUNT_ATTR_IDMAP;
    attributes.userns_fd = static_cast<std::uint64_t>(change.user_namespace);
  }
  const unsigned flags = AT_EMPTY_PATH | (change.whole ? AT_RECURSIVE : 0);
  TRY(check(sys::mount_setattr(tree, "", flags, &attributes, sizeof attributes), "mount_setattr", what));
  return ok();
}

}  // namespace convox::runtime
