// How does systemd learn of a container's cgroup, and forget it?
#pragma once
#include <string>

#include "runtime/base/result.h"

namespace convox::oci {

// Stops the scope and forgets that it failed. One that is gone is success. `user`: of the user's systemd.
Result<> stop_scope(const std::string& unit, bool user);

}  // namespace convox::oci
