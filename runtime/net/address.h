// How are addresses and routes asked for and given?
//
// RTM_NEWADDR, RTM_NEWROUTE and their relatives, in the namespace of the socket.  rtnetlink(7), linux/if_addr.h
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/net/link.h"
#include "runtime/net/netlink.h"
#include "runtime/networks/addresses.h"

namespace convox::net {

// An address as the kernel listed it: what of it is to be said again elsewhere.
struct Address {
  std::uint8_t family = 0, prefix = 0, scope = 0;
  std::uint32_t flags = 0;                                        // IFA_F_*
  std::vector<std::pair<std::uint16_t, std::string>> attributes;  // IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST
};
Result<std::vector<Address>> list_addresses(Netlink& netlink, int index);
Result<> add(Netlink& netlink, int index, const Address& address);

// Ours. The IPv6 ones without duplicate address detection (RFC 4862, 5.4), which would keep them unusable for a second:
// nobody else can have them. EEXIST if the link has it already.
Result<> add_address(Netlink& netlink, const Link& link, const networks::Address4& address);
Result<> add_address(Netlink& netlink, const Link& link, const networks::Address6& address);

Result<> add_default_route(Netlink& netlink, const Link& link, const networks::Address4& gateway);
Result<> add_default_route(Netlink& netlink, const Link& link, const networks::Address6& gateway);

// The MTU of the link by which this namespace reaches the world; 1500 if it does not.
Result<std::uint32_t> uplink_mtu(Netlink& netlink);

}  // namespace convox::net
