#include "runtime/net/port_rules.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>

#include "runtime/net/ruleset.h"

namespace convox::net {
namespace {

using namespace nft;

Bytes byte(int value) { return Bytes(1, static_cast<char>(value)); }
int protocol(const networks::Published& port) { return port.protocol == "udp" ? IPPROTO_UDP : IPPROTO_TCP; }

template <std::size_t Size>
Bytes bytes(const std::array<std::uint8_t, Size>& address) {
  return Bytes(address.begin(), address.end());
}

std::optional<Bytes> parsed(int family, const std::string& text) {
  Bytes address(family == AF_INET ? 4 : 16, '\0');
  if (::inet_pton(family, text.c_str(), address.data()) != 1) return {};
  return address;
}

// The map's element: (address, if the port is one address's,) protocol and port, and the chain to go to.
std::vector<Element> element(const networks::Published& port) {
  const Bytes kind = byte(protocol(port)), number = in_network_order(port.host);
  const std::optional<Bytes> address = parsed(AF_INET, port.address);
  return {Element{address ? concatenated({*address, kind, number}) : concatenated({kind, number}),
                  verdict(kElementValue, NFT_GOTO, networks::port_name(port))}};
}
const char* map_of(const networks::Published& port) { return port.address.empty() ? kPorts : kPortsOnOneAddress; }

// False at the highest address: nothing is behind it.
bool increase(Bytes& address) {
  for (auto at = address.rbegin(); at != address.rend(); ++at)
    if (++*at != 0) return true;
  return false;
}

std::vector<Element> elements(const std::vector<Range>& ranges) {
  std::vector<Element> all;
  for (const Range& range : ranges) {
    all.push_back({range.first});
    Bytes end = range.last;
    if (increase(end)) all.push_back({.key = end, .end = true});
  }
  return all;
}

// The host itself may always come, whoever else may.
//   fib saddr type != local ip saddr != { 10.0.0.0/8, 192.168.1.7 } drop
void refuse_others(Batch& batch, const std::string& chain, int family, const std::vector<Range>& allowed) {
  const Bytes others = is_not(kSourceType, in_host_order(std::uint32_t{RTN_LOCAL})) + is(kFamily, byte(family));
  if (allowed.empty()) return batch.add_rule(kInet, chain, others + drop());
  const bool four = family == NFPROTO_IPV4;
  const SetName set = batch.own_set(kInet, {.name = {}, .key = {four ? kAddress4 : kAddress6}, .intervals = true},
                                    elements(united(allowed)));
  batch.add_rule(kInet, chain, others + not_in({four ? kIpSource : kIp6Source}, set) + drop());
}

//   meta l4proto tcp dnat ip to 10.208.0.2:80
//   meta l4proto tcp dnat ip to numgen inc mod 2 map { 0 : 10.208.0.2, 1 : 10.208.0.3 }:80
void lead_to(Batch& batch, const std::string& chain, const networks::Published& port,
             const std::vector<Bytes>& servers) {
  if (servers.empty()) return;
  const bool four = servers[0].size() == 4;
  const Bytes here = is(kProtocol, byte(protocol(port)));
  if (servers.size() == 1) return batch.add_rule(kInet, chain, here + dnat(servers[0], port.container));
  std::vector<Element> turns;
  for (const Bytes& server : servers)
    turns.push_back({in_host_order(static_cast<std::uint32_t>(turns.size())), data(kElementValue, server)});
  const SetName map = batch.own_set(kInet, {{}, {kInteger}, four ? kAddress4 : kAddress6}, turns);
  batch.add_rule(kInet, chain,
                 here + dnat_in_turn(four ? NFPROTO_IPV4 : NFPROTO_IPV6, static_cast<std::uint32_t>(servers.size()),
                                     map, port.container));
}

}  // namespace

Result<> set_port(Batch& batch, const networks::Published& port, const std::vector<Server>& servers) {
  const std::string chain = networks::port_name(port);
  std::vector<Range> allowed4, allowed6;
  for (const std::string& cidr : port.allow) {
    const Range allowed = TRY(range(cidr), "port ", chain, ": who may come");
    (allowed.first.size() == 4 ? allowed4 : allowed6).push_back(allowed);
  }
  if (!port.address.empty() && !parsed(AF_INET, port.address))
    return invalid(cat("port ", chain, ": '", port.address, "' is no IPv4 address"));

  std::vector<Bytes> four, six;
  for (const Server& server : servers) {
    four.push_back(bytes(server.address4));
    if (server.address6 && port.address.empty()) six.push_back(bytes(*server.address6));
  }
  // chain tcp.8080 {
  batch.add_chain(kInet, chain);
  batch.flush_chain(kInet, chain);
  if (!port.allow.empty()) {
    refuse_others(batch, chain, NFPROTO_IPV4, allowed4);
    refuse_others(batch, chain, NFPROTO_IPV6, allowed6);
  }
  lead_to(batch, chain, port, four);
  lead_to(batch, chain, port, six);
  // }
  batch.add_elements(kInet, map_of(port), element(port));
  return ok();
}

void delete_port(Batch& batch, const networks::Published& port) {
  const std::string chain = networks::port_name(port);
  batch.delete_elements(kInet, map_of(port), element(port));
  batch.flush_chain(kInet, chain);
  batch.delete_chain(kInet, chain);
}

std::optional<networks::Published> port_of_chain(std::string_view chain) {
  networks::Published port;
  const std::size_t dot = chain.find('.');
  if (dot == std::string_view::npos) return {};
  port.protocol = chain.substr(0, dot);
  if (port.protocol != "tcp" && port.protocol != "udp") return {};
  const std::string_view rest = chain.substr(dot + 1);
  const auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), port.host);
  if (failure != std::errc()) return {};
  if (const std::string_view behind = rest.substr(static_cast<std::size_t>(end - rest.data())); !behind.empty()) {
    port.address = behind.substr(1);
    if (!parsed(AF_INET, port.address)) return {};
  }
  if (networks::port_name(port) != chain) return {};
  return port;
}

Result<Range> range(const std::string& cidr) {
  const std::size_t slash = cidr.find('/');
  const std::string text = cidr.substr(0, slash);
  std::optional<Bytes> address = parsed(AF_INET, text);
  if (!address) address = parsed(AF_INET6, text);
  if (!address) return invalid(cat("'", cidr, "' is no address and no CIDR"));
  std::size_t bits = address->size() * 8;
  if (slash != std::string::npos) {
    const char *const from = cidr.data() + slash + 1, *const to = cidr.data() + cidr.size();
    std::size_t prefix = 0;
    const auto [end, failure] = std::from_chars(from, to, prefix);
    if (failure != std::errc() || end != to || prefix > bits) return invalid(cat("'", cidr, "' has no such prefix"));
    bits = prefix;
  }
  Range range{*address, *address};
  for (std::size_t at = bits; at < address->size() * 8; ++at) {
    const auto bit = static_cast<unsigned char>(0x80u >> at % 8);
    range.first[at / 8] = static_cast<char>(static_cast<unsigned char>(range.first[at / 8]) & ~bit);
    range.last[at / 8] = static_cast<char>(static_cast<unsigned char>(range.last[at / 8]) | bit);
  }
  return range;
}

std::vector<Range> united(std::vector<Range> ranges) {
  std::ranges::sort(ranges, {}, &Range::first);  // std::string compares bytes as unsigned ones
  std::vector<Range> all;
  for (Range& range : ranges) {
    Bytes next = all.empty() ? Bytes() : all.back().last;
    const bool highest = !all.empty() && !increase(next);
    if (all.empty() || (!highest && range.first > next))
      all.push_back(std::move(range));
    else
      all.back().last = std::max(all.back().last, range.last);
  }
  return all;
}

}  // namespace convox::net
