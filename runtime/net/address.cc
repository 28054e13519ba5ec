#include "runtime/net/address.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>

namespace convox::net {
namespace {

using networks::Address4;
using networks::Address6;

template <class Bytes>
std::pair<std::uint16_t, std::string> attribute(int type, const Bytes& bytes) {
  return {static_cast<std::uint16_t>(type), std::string(bytes.begin(), bytes.end())};
}

template <class Bytes>
Result<> add_route(Netlink& netlink, const Link& link, int family, const Bytes& gateway) {
  Request<rtmsg> request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  request.header->rtm_family = static_cast<std::uint8_t>(family);
  request.header->rtm_table = RT_TABLE_MAIN;
  request.header->rtm_protocol = RTPROT_BOOT;
  request.header->rtm_scope = RT_SCOPE_UNIVERSE;
  request.header->rtm_type = RTN_UNICAST;
  mnl_attr_put(request.message, RTA_GATEWAY, gateway.size(), gateway.data());
  mnl_attr_put_u32(request.message, RTA_OIF, static_cast<std::uint32_t>(link.index));
  return netlink.tell(request.message, "RTM_NEWROUTE", cat("default via ", networks::text(gateway)));
}

// The link by which a packet to `address` would leave, or 0.
template <class Bytes>
Result<int> way_to(Netlink& netlink, int family, const Bytes& address) {
  Request<rtmsg> request(RTM_GETROUTE, 0);
  request.header->rtm_family = static_cast<std::uint8_t>(family);
  request.header->rtm_dst_len = static_cast<std::uint8_t>(address.size() * 8);
  mnl_attr_put(request.message, RTA_DST, address.size(), address.data());
  Result<std::vector<Answer>> answers = netlink.ask(request.message, "RTM_GETROUTE", networks::text(address));
  if (!answers) {
    // No route; or one of the kinds unreachable, prohibit, blackhole; or a kernel without the family.
    for (const int none : {ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL, EAFNOSUPPORT, EOPNOTSUPP})
      if (answers.error().code == none) return 0;
    return std::move(answers).error();
  }
  std::uint32_t index = 0;
  for (const Answer& answer : *answers)
    if (header_of<rtmsg>(answer, RTM_NEWROUTE))
      each_attribute<rtmsg>(answer, [&](const nlattr* attribute) {
        if (mnl_attr_get_type(attribute) == RTA_OIF) read_value(attribute, index);
      });
  return static_cast<int>(index);
}

}  // namespace

Result<std::vector<Address>> list_addresses(Netlink& netlink, int index) {
  Request<ifaddrmsg> request(RTM_GETADDR, NLM_F_DUMP);
  std::vector<Address> found;
  for (const Answer& answer : TRY(netlink.ask(request.message, "RTM_GETADDR", cat(index)))) {
    const auto* header = header_of<ifaddrmsg>(answer, RTM_NEWADDR);
    if (!header || header->ifa_index != static_cast<unsigned>(index)) continue;
    Address address{header->ifa_family, header->ifa_prefixlen, header->ifa_scope, header->ifa_flags, {}};
    each_attribute<ifaddrmsg>(answer, [&](const nlattr* attribute) {
      const std::uint16_t type = mnl_attr_get_type(attribute);
      if (type == IFA_FLAGS) read_value(attribute, address.flags);
      if (type != IFA_LOCAL && type != IFA_ADDRESS && type != IFA_BROADCAST) return;
      const auto* bytes = static_cast<const char*>(mnl_attr_get_payload(attribute));
      address.attributes.emplace_back(type, std::string(bytes, mnl_attr_get_payload_len(attribute)));
    });
    found.push_back(std::move(address));
  }
  return found;
}

Result<> add(Netlink& netlink, int index, const Address& address) {
  // What the kernel itself keeps about an address (permanent, tentative, ...) is not ours to say.
  constexpr std::uint32_t kAsked =
      IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN;
  Request<ifaddrmsg> request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  request.header->ifa_family = address.family;
  request.header->ifa_prefixlen = address.prefix;
  request.header->ifa_scope = address.scope;
  request.header->ifa_index = static_cast<unsigned>(index);
  for (const auto& [type, bytes] : address.attributes) mnl_attr_put(request.message, type, bytes.size(), bytes.data());
  mnl_attr_put_u32(request.message, IFA_FLAGS, address.flags & kAsked);
  return netlink.tell(request.message, "RTM_NEWADDR", cat(index));
}

Result<> add_address(Netlink& netlink, const Link& link, const Address4& address) {
  Address4 broadcast = address;
  const std::uint32_t hosts = (1U << (32 - networks::kPrefix4)) - 1;
  for (std::size_t byte = 0; byte < broadcast.size(); ++byte)
    broadcast[byte] |= static_cast<std::uint8_t>(hosts >> (8 * (broadcast.size() - 1 - byte)));
  Address words{AF_INET, networks::kPrefix4, RT_SCOPE_UNIVERSE, 0, {}};
  words.attributes = {attribute(IFA_LOCAL, address), attribute(IFA_BROADCAST, broadcast)};
  TRY(add(netlink, link.index, words), networks::text(address));
  return ok();
}

Result<> add_address(Netlink& netlink, const Link& link, const Address6& address) {
  const bool link_local = address[0] == 0xfe;
  const std::uint8_t scope = link_local ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  Address words{AF_INET6, networks::kPrefix6, scope, IFA_F_NODAD, {}};
  words.attributes = {attribute(IFA_LOCAL, address)};
  TRY(add(netlink, link.index, words), networks::text(address));
  return ok();
}

Result<> add_default_route(Netlink& netlink, const Link& link, const Address4& gateway) {
  return add_route(netlink, link, AF_INET, gateway);
}
Result<> add_default_route(Netlink& netlink, const Link& link, const Address6& gateway) {
  return add_route(netlink, link, AF_INET6, gateway);
}

// Not the default route but the way to a place in the world, which a VPN or a routing policy may have bent (two routes
// of half the Internet each, a table of its own): a root name server, whose address no site uses for itself. Nothing is
// sent to it.
Result<std::uint32_t> uplink_mtu(Netlink& netlink) {
  constexpr Address4 kWorld4 = {198, 41, 0, 4};
  constexpr Address6 kWorld6 = {0x20, 0x01, 0x05, 0x03, 0xba, 0x3e, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0x30};
  int index = TRY(way_to(netlink, AF_INET, kWorld4));
  if (index == 0) index = TRY(way_to(netlink, AF_INET6, kWorld6));
  if (index == 0) return std::uint32_t{1500};
  const Link uplink = TRY(find_link(netlink, index));
  return std::clamp<std::uint32_t>(uplink.mtu, 68, 65535);  // what a bridge can have: ETH_MIN_MTU, ETH_MAX_MTU
}

}  // namespace convox::net
