#include "runtime/helper.h"

#include <fcntl.h>
#include <unistd.h>

#include "runtime/base/cat.h"
#include "runtime/base/sys.h"

#ifndef CONVOX_LIBEXEC
#define CONVOX_LIBEXEC "/usr/local/libexec/convox"
#endif

namespace convox::runtime {

std::string helper(std::string_view program) {
  char self[4096];
  const long size = sys::readlinkat(AT_FDCWD, "/proc/self/exe", self, sizeof self);
  if (size > 0 && static_cast<std::size_t>(size) < sizeof self) {
    const std::string_view path(self, static_cast<std::size_t>(size));
    std::string beside = cat(path.substr(0, path.rfind('/') + 1), program);
    if (sys::faccessat2(AT_FDCWD, beside.c_str(), X_OK, AT_EACCESS) == 0) return beside;
  }
  return cat(CONVOX_LIBEXEC, "/", program);
}

}  // namespace convox::runtime
