#include "runtime/oci/systemd.h"

namespace convox::oci {

Result<> stop_scope(const std::string& unit, bool) {
  return invalid(cat("stopping ", unit, ": no systemd driver in this build"));
}

Result<> update_scope(const std::string& unit, bool, const cgroups::Resources&) {
  return invalid(cat("updating ", unit, ": no systemd driver in this build"));
}

}  // namespace convox::oci
