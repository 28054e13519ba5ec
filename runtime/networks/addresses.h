// Which addresses, links and hardware addresses has a container in a network?
//
// All of it is arithmetic from four things: which subnet the network has (a number), which slot the container has in it
// (a number), the container's id, and the machine's own IPv6 prefix. So nobody stores an address, and whoever knows the
// numbers, a command that repairs the firewall for instance, knows everything.
//
//   IPv4   10.208.0.0/12 is cut into 1,024 subnets of /22: slot 1 is the bridge, slots 2 to 1,022 are containers
//   IPv6   a /64 of each network in a /48 of the machine: fdXX:XXXX:XXXX:<subnet>::<slot>   RFC 4193
//   links  the bridge is cx-<network>, or cx-- and a hash where that would be no link's name; the host's end of a
//          container's pair cx<id>, its own end eth0
//   MAC    the six bytes of the id, as a unicast address that is locally administered (RFC 7042, 2.1). Those of bridges
//          and of the host's ends begin with a mark: so a link of ours is told from one that only has its name, from
//          the moment it is there
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::networks {

inline constexpr std::uint32_t kSubnets = 1024;
inline constexpr std::uint32_t kBridgeSlot = 1, kFirstSlot = 2, kLastSlot = 1022;  // a bridge has 1,023 ports at most
inline constexpr int kPrefix4 = 22, kPrefix6 = 64;
inline constexpr std::string_view kPool4 = "10.208.0.0/12";  // for what is about all of our networks

using Address4 = std::array<std::uint8_t, 4>;  // network byte order
using Address6 = std::array<std::uint8_t, 16>;
using HardwareAddress = std::array<std::uint8_t, 6>;
using Mark = std::array<std::uint8_t, 4>;
inline constexpr Mark kBridgeMark = {0x02, 'c', 'x', 0}, kPortMark = {0x02, 'c', 'x', 1};

// The machine's /48: the same after every boot, another on every machine (from /etc/machine-id, hashed, since that id
// is not to be shown to a network: machine-id(5)). `machine` is that file's content; white space at its end is none.
Address6 machine_prefix(std::string_view machine);

// A place in a network.
struct Place {
  std::uint32_t subnet = 0;  // below kSubnets
  std::uint32_t slot = 0;
};
Address4 address4(Place place);
Address6 address6(const Address6& machine_prefix, Place place);
std::string text(const Address4& address);
std::string text(const Address6& address);  // the canonical form: RFC 5952

HardwareAddress hardware_address(std::string_view id);  // of a container's eth0
HardwareAddress bridge_hardware(std::uint32_t subnet);  // of the bridge
HardwareAddress port_hardware(std::uint32_t slot);      // of the host's end; distinct on its bridge, no more is needed
bool has_mark(const HardwareAddress& hardware, const Mark& mark);
std::string text(const HardwareAddress& hardware);     // 02:63:78:00:00:07
Address6 link_local(const HardwareAddress& hardware);  // fe80::/64 and EUI-64: RFC 4291, appendix A
std::string bridge_name(std::string_view network);     // at most 15 bytes, as a link's name must be
std::string link_name(std::string_view id);            // of the host's end

// Where the search for a free number begins: the same for the same name, so that an app has the same subnet and a
// container the same address again, if nobody took it.
std::uint32_t first_subnet(std::string_view network);
std::uint32_t first_slot(std::string_view id);

}  // namespace convox::networks
