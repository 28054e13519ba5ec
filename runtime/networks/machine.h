// Which IPv6 addresses have the networks of this machine, if any?
#pragma once
#include <optional>

#include "runtime/base/result.h"
#include "runtime/networks/addresses.h"

namespace convox::networks {

// Does this thread's network namespace have IPv6: the module is there, and it is switched off neither for all links nor
// for new ones?
Result<bool> has_ipv6();

// The prefix of this machine's networks; nothing on a host without IPv6.
Result<std::optional<Address6>> ipv6_prefix();

}  // namespace convox::networks
