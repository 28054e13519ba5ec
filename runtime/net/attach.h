// How does a container get into its network, and out of it?
//
// By a veth pair: what goes into one end comes out of the other. The host's end is a port of the network's bridge, the
// other one is eth0 in the container. The order in attach.cc sees to it that no end is up before it is confined: the
// container's believes no router, the host's lets nothing pass but the container's own hardware address.
// Read next: bridge.h, link.h. What of it holds for IP addresses is the firewall's: firewall.h.
#pragma once
#include <string>

#include "runtime/base/result.h"
#include "runtime/networks/store.h"

namespace convox::net {

// `name_space` is a network namespace's file, /proc/PID/ns/net. What was made is undone when a later step fails; a link
// that was there before is an error that changes nothing.
Result<> attach(const networks::Network& network, const networks::Member& member, const std::string& name_space);

// The container's links go; the namespace may be gone before. What is not there, or is not ours, is no error.
Result<> detach(const std::string& id);

// Bridge and ports of a network as they should be, for those of its members that have a link.
Result<> repair(const networks::Network& network, const std::vector<networks::Member>& members);

}  // namespace convox::net
