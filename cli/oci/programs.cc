#include "cli/oci/programs.h"

#include <fcntl.h>
#include <unistd.h>

namespace convox::oci {

Result<std::string> find_program(std::string_view name) {
  for (const char* directory : {"/usr/sbin", "/usr/bin", "/sbin", "/bin"}) {
    std::string path = cat(directory, "/", name);
    if (sys::faccessat2(AT_FDCWD, path.c_str(), X_OK, 0) == 0) return path;
  }
  return not_found(cat(name, " is not installed"));
}

}  // namespace convox::oci
