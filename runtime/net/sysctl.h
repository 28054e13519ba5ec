// Which switches of the kernel's network code do we turn, and who else lives by them?
//
// All of them are of this thread's network namespace.  ip-sysctl.rst of the kernel's documentation
#pragma once
#include <string>

#include "runtime/base/result.h"

namespace convox::net {

// The host forwards packets. What it learns from routers itself, it goes on learning.
Result<> forward_packets(bool ipv6);

// A bridge of ours, before it is up: believes no member about routes, and carries what comes for 127.0.0.1.
Result<> guard_bridge(const std::string& name, bool ipv6);

// A container's namespace, before it has a link: believes nobody about routes.
Result<> guard_container(bool ipv6);

}  // namespace convox::net
