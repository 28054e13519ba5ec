// What becomes of conversations with a container that goes?
//
// A connection that was translated stays translated: the kernel asks the rules for its first packet only. TCP notices
// by itself that nobody is there any more. UDP has no end, only a time without packets: a client that goes on sending
// would be led to the container's old address for ever, though another one serves the port by now. So the kernel is to
// forget these. (moby issue 8795; net/netfilter/nf_conntrack_netlink.c)
#pragma once
#include "runtime/net/nftables.h"

namespace convox::net {

// UDP whose answers come from this address, of 4 or 16 bytes.
Result<> forget_conversations(nft::Nftables& kernel, std::string_view address);

}  // namespace convox::net
