// What --version prints. A file of its own, because it changes with every commit.
#include "cli/oci/options.h"
#include "runtime/security/seccomp_context.h"

namespace convox::oci {

std::string version_text() {
  return cat("convox-oci version ", CONVOX_VERSION, "\ncommit: ", CONVOX_COMMIT,
             "\nspec: 1.3.0\nlibseccomp: ", security::libseccomp_version(), "\n");
}

}  // namespace convox::oci
