// The text in comments is what `nft list ruleset` prints of the line below it. nft(8)
#include "runtime/net/ruleset.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter_bridge.h>
#include <linux/rtnetlink.h>

namespace convox::net {

const nft::Table kInet{NFPROTO_INET, "convox"}, kBridge{NFPROTO_BRIDGE, "convox"};

namespace {

using namespace nft;

template <std::size_t Size>
Bytes bytes(const std::array<std::uint8_t, Size>& address) {
  return Bytes(address.begin(), address.end());
}

Bytes byte(int value) { return Bytes(1, static_cast<char>(value)); }
Bytes family(int value) { return is(kFamily, byte(value)); }
Bytes ether_type(int value) { return is(kEtherType, in_network_order(static_cast<std::uint16_t>(value))); }
Bytes protocol(int value) { return is(kProtocol, byte(value)); }
Bytes local() { return in_host_order(std::uint32_t{RTN_LOCAL}); }

// Priorities and hooks: linux/netfilter_ipv4.h, nft(8) "Standard priority names". The bridge has its own.
constexpr std::int32_t kRaw = -300, kDstnat = -100, kFilter = 0, kSrcnat = 100, kBridgeFilter = -200;

constexpr const char *kNetworks = "networks", *kSenders4 = "senders4", *kSenders6 = "senders6";
constexpr int kAnyOf127 = 127, kPoolPrefix = 12;  // 10.208.0.0/12 begins with the first subnet
constexpr std::uint32_t kLo = 1;                  // its index, in every network namespace
constexpr std::uint32_t kInvalid = 1;             // NF_CT_STATE_INVALID_BIT

// table inet convox {
void add_inet(Batch& batch, const std::optional<networks::Address6>& prefix) {
  const auto rule = [&](const char* chain, const Bytes& expressions) { batch.add_rule(kInet, chain, expressions); };

  // map ports { type inet_proto . inet_service : verdict }
  batch.add_set(kInet, {kPorts, {kProtocols, kService}, kVerdict});
  // map ports_on { type ipv4_addr . inet_proto . inet_service : verdict }
  batch.add_set(kInet, {kPortsOnOneAddress, {kAddress4, kProtocols, kService}, kVerdict});
  // The bridge of each network, twice: what comes from it and goes to it again stays within the network.
  // set networks { type ifname . ifname }
  batch.add_set(kInet, {kNetworks, {kInterface, kInterface}});

  // chain raw {
  //   type filter hook prerouting priority raw; policy accept;
  batch.add_chain(kInet, "raw", Hook{"filter", NF_INET_PRE_ROUTING, kRaw});
  // Our bridges have route_localnet=1, or the answers to what came from 127.0.0.1 would be martians. It would also let
  // a neighbour reach what listens on 127.0.0.1 alone (CVE-2020-8558), so that is refused here, before anything else.
  //   iif != "lo" ip saddr 127.0.0.0/8 drop
  rule("raw", is_not(kIif, in_host_order(kLo)) + family(NFPROTO_IPV4) + is(kIpSourceNetwork, byte(kAnyOf127)) + drop());
  //   iif != "lo" ip daddr 127.0.0.0/8 drop
  rule("raw",
       is_not(kIif, in_host_order(kLo)) + family(NFPROTO_IPV4) + is(kIpDestinationNetwork, byte(kAnyOf127)) + drop());
  // }

  batch.add_chain(kInet, "published");
  // chain prerouting {
  //   type nat hook prerouting priority dstnat; policy accept;
  batch.add_chain(kInet, "prerouting", Hook{"nat", NF_INET_PRE_ROUTING, kDstnat});
  //   fib daddr type local jump published
  rule("prerouting", is(kDestinationType, local()) + jump("published"));
  // }
  // The host's own packets do not come by prerouting.
  // chain output {
  //   type nat hook output priority -100; policy accept;
  batch.add_chain(kInet, "output", Hook{"nat", NF_INET_LOCAL_OUT, kDstnat});
  //   fib daddr type local jump published
  rule("output", is(kDestinationType, local()) + jump("published"));
  // }
  // chain published {
  // IPv6 has no route_localnet: a packet from ::1 leaves the host by no link. Better no answer than half of one.
  //   ip6 daddr ::1 return
  const Bytes loopback6 = Bytes(15, '\0') + byte(1);
  rule("published", family(NFPROTO_IPV6) + is(kIp6Destination, loopback6) + leave());
  //   ip daddr . meta l4proto . th dport vmap @ports_on
  rule("published", family(NFPROTO_IPV4) + verdict_of({kIpDestination, kProtocol, kPort}, kPortsOnOneAddress));
  //   meta l4proto . th dport vmap @ports
  rule("published", verdict_of({kProtocol, kPort}, kPorts));
  // }

  // chain postrouting {
  //   type nat hook postrouting priority srcnat; policy accept;
  batch.add_chain(kInet, "postrouting", Hook{"nat", NF_INET_POST_ROUTING, kSrcnat});
  // A container cannot answer to 127.0.0.1: that is itself.
  //   ip saddr 127.0.0.0/8 oifname "cx-*" masquerade
  rule("postrouting",
       family(NFPROTO_IPV4) + is(kIpSourceNetwork, byte(kAnyOf127)) + is(kOifname, kBridges) + masquerade());
  // Hairpin: who calls a neighbour, or itself, by a port of the host would get the answer straight from the neighbour,
  // whom it never called. By address and not by iifname: where br_netfilter is loaded such a packet never leaves the
  // bridge, and what is bridged has no link here by which it came.
  //   ct status dnat ip saddr 10.208.0.0/12 oifname "cx-*" masquerade
  rule("postrouting", has(kStatus, IPS_DST_NAT) + family(NFPROTO_IPV4) +
                          has_prefix(kIpSource, bytes(networks::address4({0, 0})), kPoolPrefix) +
                          is(kOifname, kBridges) + masquerade());
  //   ct status dnat ip6 saddr fd00:1:2::/48 oifname "cx-*" masquerade
  if (prefix)
    rule("postrouting", has(kStatus, IPS_DST_NAT) + family(NFPROTO_IPV6) +
                            is(kIp6SourceSite, bytes(*prefix).substr(0, kIp6SourceSite.size)) + is(kOifname, kBridges) +
                            masquerade());
  //   iifname "cx-*" oifname != "cx-*" masquerade
  rule("postrouting", is(kIifname, kBridges) + is_not(kOifname, kBridges) + masquerade());
  // }

  // chain forward {
  //   type filter hook forward priority filter; policy accept;
  batch.add_chain(kInet, "forward", Hook{"filter", NF_INET_FORWARD, kFilter});
  //   iifname != "cx-*" oifname != "cx-*" accept
  rule("forward", is_not(kIifname, kBridges) + is_not(kOifname, kBridges) + accept());
  //   ct state established,related accept
  rule("forward", has(kState, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED)) + accept());
  //   ct status dnat accept
  rule("forward", has(kStatus, IPS_DST_NAT) + accept());
  // A bridge does not forward within itself, but where br_netfilter is loaded its frames come through here all the
  // same.
  //   iifname . oifname @networks accept
  rule("forward", in({kIifname, kOifname}, kNetworks) + accept());
  // What belongs to no connection is not translated either, and would leave with an address that is of no use outside.
  //   iifname "cx-*" oifname != "cx-*" ct state != invalid accept
  rule("forward",
       is(kIifname, kBridges) + is_not(kOifname, kBridges) + is_not(kState, in_host_order(kInvalid)) + accept());
  // From the world without a published port, and from one network to another.
  //   drop
  rule("forward", drop());
  // }
}
// }

// table bridge convox {
void add_bridge(Batch& batch) {
  const auto rule = [&](const Bytes& expressions) { batch.add_rule(kBridge, "prerouting", expressions); };
  constexpr int kRouterAdvertisement = 134, kNeighbourAdvertisement = 136, kRedirect = 137;  // RFC 4861, 4
  constexpr std::uint16_t kDhcpServer = 67, kDhcp6Server = 547;

  // set senders4 { type ifname . ether_addr . ipv4_addr }
  batch.add_set(kBridge, {kSenders4, {kInterface, kEther, kAddress4}});
  // set senders6 { type ifname . ether_addr . ipv6_addr }
  batch.add_set(kBridge, {kSenders6, {kInterface, kEther, kAddress6}});

  // chain prerouting {
  //   type filter hook prerouting priority filter; policy accept;
  batch.add_chain(kBridge, "prerouting", Hook{"filter", NF_BR_PRE_ROUTING, kBridgeFilter});
  //   iifname != "cx*" accept
  rule(is_not(kIifname, kLinks) + accept());
  // A container says of nobody but itself where it is: in the frame and in what the frame says. RFC 826
  //   iifname . arp saddr ether . arp saddr ip != @senders4 drop
  rule(ether_type(ETH_P_ARP) + not_in({kIifname, kArpEtherSource, kArpIpSource}, kSenders4) + drop());
  //   iifname . ether saddr . arp saddr ip @senders4 accept
  rule(ether_type(ETH_P_ARP) + in({kIifname, kEtherSource, kArpIpSource}, kSenders4) + accept());
  // Addresses and routes are given by convox (CVE-2020-10749: a container that advertised itself as a router).
  //   udp sport { 67, 547 } drop
  rule(protocol(IPPROTO_UDP) +
       in({kSourcePort}, batch.own_set(kBridge, {{}, {kService}},
                                       {{in_network_order(kDhcpServer)}, {in_network_order(kDhcp6Server)}})) +
       drop());
  //   icmpv6 type { nd-router-advert, nd-redirect } drop
  rule(
      ether_type(ETH_P_IPV6) + protocol(IPPROTO_ICMPV6) +
      in({kIcmp6Type}, batch.own_set(kBridge, {{}, {kIcmp6Types}}, {{byte(kRouterAdvertisement)}, {byte(kRedirect)}})) +
      drop());
  //   icmpv6 type nd-neighbor-advert iifname . ether saddr . icmpv6 taddr != @senders6 drop
  rule(ether_type(ETH_P_IPV6) + protocol(IPPROTO_ICMPV6) + is(kIcmp6Type, byte(kNeighbourAdvertisement)) +
       not_in({kIifname, kEtherSource, kNeighbour}, kSenders6) + drop());
  //   iifname . ether saddr . ip saddr @senders4 accept
  rule(ether_type(ETH_P_IP) + in({kIifname, kEtherSource, kIpSource}, kSenders4) + accept());
  //   iifname . ether saddr . ip6 saddr @senders6 accept
  rule(ether_type(ETH_P_IPV6) + in({kIifname, kEtherSource, kIp6Source}, kSenders6) + accept());
  // Another's address, and what is neither ARP nor IP: VLAN tags, a bridge's own protocols.
  //   drop
  rule(drop());
  // }
}
// }

// As a set has it: a name fills its field up with zeros.
Bytes name(std::string_view link) {
  Bytes bytes(link);
  bytes.resize(kIifname.size, '\0');
  return bytes;
}

std::vector<Element> within(const std::string& bridge) { return {Element{concatenated({name(bridge), name(bridge)})}}; }

std::vector<Element> as4(const std::vector<Sender>& senders) {
  std::vector<Element> elements;
  for (const Sender& sender : senders)
    elements.push_back({concatenated({name(sender.link), bytes(sender.hardware), bytes(sender.address4)})});
  return elements;
}

std::vector<Element> as6(const std::vector<Sender>& senders) {
  std::vector<Element> elements;
  for (const Sender& sender : senders)
    if (sender.address6)
      for (const networks::Address6& address : {*sender.address6, networks::link_local(sender.hardware)})
        elements.push_back({concatenated({name(sender.link), bytes(sender.hardware), bytes(address)})});
  return elements;
}

}  // namespace

void add_tables(Batch& batch, std::string_view about, const std::optional<networks::Address6>& prefix) {
  delete_tables(batch);
  batch.add_table(kInet, about);
  add_inet(batch, prefix);
  batch.add_table(kBridge, about);
  add_bridge(batch);
}

void delete_tables(Batch& batch) {
  for (const Table& table : {kInet, kBridge}) {
    batch.add_table(table, {});  // so that there is one to delete: within a batch that costs nothing
    batch.delete_table(table);
  }
}

void add_network(Batch& batch, const std::string& bridge) { batch.add_elements(kInet, kNetworks, within(bridge)); }
void delete_network(Batch& batch, const std::string& bridge) {
  batch.delete_elements(kInet, kNetworks, within(bridge));
}

void add_senders(Batch& batch, const std::vector<Sender>& senders) {
  batch.add_elements(kBridge, kSenders4, as4(senders));
  batch.add_elements(kBridge, kSenders6, as6(senders));
}
void delete_sender(Batch& batch, const Sender& sender) {
  batch.delete_elements(kBridge, kSenders4, as4({sender}));
  batch.delete_elements(kBridge, kSenders6, as6({sender}));
}

}  // namespace convox::net
