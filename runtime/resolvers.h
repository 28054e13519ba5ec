// Whom does a container ask for the addresses of names that no hosts file has?
//
// Whom the host asks; but what the host calls 127.0.0.53 is in a container its own loopback, where nobody listens. So a
// resolver that only the host can reach is replaced: by those behind systemd-resolved, else by public ones, as Docker
// and Podman do.  resolv.conf(5), systemd-resolved.service(8)
#pragma once
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::runtime {

enum class Resolvers {
  kNone,       // lo alone
  kHosts,      // the host's network: whatever the host has
  kReachable,  // a network of its own
};

// The text for /etc/resolv.conf.
Result<std::string> read_resolvers(Resolvers which);

// `host`: the host's /etc/resolv.conf; `behind`: what systemd-resolved asks, or nothing. For tests.
std::string reachable_resolvers(std::string_view host, std::string_view behind);

}  // namespace convox::runtime
