// How does a network get its bridge?
//
// Whoever attaches a container makes the bridge if it is not there, and several may do so at once. So nothing of it is
// an error because it is done already, and the last step, the link's alias, says that all steps before were taken: a
// bridge without it is set up by whoever finds it, also after a command that was killed. Ours is a bridge with a
// hardware address of ours (networks/addresses.h), which it has from the moment it is there.
#pragma once
#include <optional>
#include <string>

#include "runtime/net/link.h"
#include "runtime/networks/store.h"

namespace convox::net {

// `prefix`: the machine's, or nothing on a host without IPv6.
Result<Link> ensure_bridge(Netlink& host, const networks::Network& network,
                           const std::optional<networks::Address6>& prefix);

// What is not there, or is not ours, is no error.
Result<> remove_bridge(const std::string& network);

}  // namespace convox::net
