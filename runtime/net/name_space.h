// Is this file a network namespace?
#pragma once
#include <string>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::net {

// /proc/PID/ns/net, or a name that was mounted; an error for every other file.
Result<UniqueFd> open_network_namespace(const std::string& path);

}  // namespace convox::net
