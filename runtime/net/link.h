// How are links asked for, made, changed and deleted?
//
// RTM_NEWLINK and its relatives: rtnetlink(7), linux/if_link.h. All of it happens in the namespace of the socket. What
// is built of these messages, and in which order: bridge.h, attach.h, move_link.h.
#pragma once
#include <net/if.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/net/netlink.h"
#include "runtime/networks/addresses.h"

namespace convox::net {

struct Link {
  int index = 0;
  std::string name;
  unsigned flags = 0;  // IFF_*
  std::uint32_t mtu = 0;
  int bridge = 0;     // the index of the link whose port it is, or 0
  std::string kind;   // "bridge", "veth"; empty for a physical one
  std::string alias;  // an administrator's words about it, or ours
  networks::HardwareAddress hardware{};
};

// By name or index; kSystem with ENODEV if there is none.
Result<Link> find_link(Netlink& netlink, const std::string& name);
Result<Link> find_link(Netlink& netlink, int index);
Result<int> highest_index(Netlink& netlink);

// EEXIST if there is a link of that name. It is down.
Result<> add_bridge(Netlink& netlink, const std::string& name, const networks::HardwareAddress& hardware);

struct Pair {
  std::string name, peer;
  networks::HardwareAddress hardware, peer_hardware;
  int peer_namespace = -1;  // a descriptor of it
  Link bridge;              // whose port `name` becomes; both ends get its MTU
};
// Both ends are down. EEXIST if either has a name that is taken.
Result<> add_pair(Netlink& netlink, const Pair& pair);

// No address that the link makes for itself.
Result<> no_own_addresses(Netlink& netlink, const std::string& name);
// A port that may send only from the address that the bridge has been told (add_hardware), and learns no other; and
// with no addresses of its own.
Result<> confine_port(Netlink& netlink, const std::string& name, bool ipv6);
Result<> add_hardware(Netlink& netlink, const Link& port, const networks::HardwareAddress& hardware);

Result<> connect(Netlink& netlink, const std::string& name, const Link& bridge);  // makes it a port
Result<> raise(Netlink& netlink, const std::string& name);
Result<> set_mtu(Netlink& netlink, const Link& link, std::uint32_t mtu);
Result<> set_alias(Netlink& netlink, const Link& link, std::string_view alias);
// Moves a link into another namespace, where it has `name` and `index`.
Result<> move_to(Netlink& netlink, const Link& link, int name_space, const std::string& name, int index);
// By index, since a name may be another link's by now. ENODEV if it is gone.
Result<> remove(Netlink& netlink, const Link& link);

}  // namespace convox::net
