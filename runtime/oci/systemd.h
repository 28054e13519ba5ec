// How does systemd learn of a container's cgroup, and forget it?
#pragma once
#include <string>

#include "cgroups/resources.h"
#include "runtime/base/result.h"

namespace convox::oci {

// Stops the scope and forgets that it failed. One that is gone is success. `user`: of the user's systemd.
Result<> stop_scope(const std::string& unit, bool user);

// Tells systemd of new limits, or it would put back the old ones.
Result<> update_scope(const std::string& unit, bool user, const cgroups::Resources& resources);

}  // namespace convox::oci
