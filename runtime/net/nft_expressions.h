// What is a rule of nf_tables made of?
//
// Of expressions: small instructions of a machine that runs for each packet, with 16 registers of four bytes. One loads
// a field of the packet into a register, another compares it, a third looks it up in a set; where one does not match,
// the rule ends and the next begins. The verdict is a register too. `nft --debug=netlink list ruleset` shows them.
//
//   iifname "cx-*" ip saddr . tcp dport @allowed accept       what a person writes
//   [ meta load iifname => reg 1 ]                            is(kIifname, "cx-")
//   [ cmp eq reg 1 0x002d7863 ]
//   [ payload load 4b @ network header + 12 => reg 1 ]        in({kIpSource, kPort}, "allowed")
//   [ payload load 2b @ transport header + 2 => reg 9 ]
//   [ lookup reg 1 set allowed ]
//   [ immediate reg 0 accept ]                                accept()
//
// Here each line on the right is the bytes of its instructions, and `+` puts them behind one another. nft(8);
// linux/netfilter/nf_tables.h, net/netfilter/nft_*.c
#pragma once
#include <vector>

#include "runtime/net/nft_attributes.h"

namespace convox::net::nft {

// Something that can be loaded into a register: how, and how many bytes it has. In a concatenation each field begins
// at a new register, so what is shorter is padded with zeros to four bytes.
struct Field {
  enum class From { kMeta, kLink, kNetwork, kTransport, kConntrack, kRoute };
  From from;
  std::uint32_t what;  // key, or offset in the header
  std::uint32_t size;
  std::uint32_t flags = 0;
};
extern const Field kIif, kIifname, kOifname, kFamily, kProtocol;  // meta
extern const Field kEtherSource, kEtherType;
extern const Field kArpEtherSource, kArpIpSource;
extern const Field kIpSource, kIpDestination, kIp6Source, kIp6Destination;
extern const Field kIpSourceNetwork, kIpDestinationNetwork;  // the first byte of the address
extern const Field kIp6SourceSite;                           // the first six: /48
extern const Field kSourcePort, kPort;                       // of TCP and UDP: they begin alike
extern const Field kIcmp6Type, kNeighbour;         // the address that an advertisement is about: RFC 4861, 4.4
extern const Field kState, kStatus;                // of the connection
extern const Field kSourceType, kDestinationType;  // RTN_LOCAL and so on: what the routing table says
using Fields = std::vector<Field>;

// A set that a rule refers to: by its name, or, if it is the rule's own and has none, by its number in the batch.
struct SetName {
  SetName(const char* set) : name(set) {}  // NOLINT: a name is one
  SetName(Bytes set, std::uint32_t number) : name(std::move(set)), id(number) {}
  Bytes name;
  std::uint32_t id = 0;
};

// A value that is shorter than the field is compared with its beginning: `is(kIifname, "cx-")` is iifname "cx-*".
Bytes is(const Field& field, std::string_view value);
Bytes is_not(const Field& field, std::string_view value);
Bytes has(const Field& field, std::uint32_t bits);
Bytes has_prefix(const Field& field, std::string_view value, unsigned bits);  // ip saddr 10.208.0.0/12
Bytes in(const Fields& fields, const SetName& set);
Bytes not_in(const Fields& fields, const SetName& set);

Bytes accept();
Bytes drop();
Bytes leave();  // `return`: back to where the jump came from
Bytes jump(std::string_view chain);
Bytes go_to(std::string_view chain);  // as jump, without a way back
Bytes verdict_of(const Fields& fields, const SetName& map);

// The destination becomes `address`, or what `map` has for 0, 1, 2, ... in turn, and `port`.
Bytes dnat(std::string_view address, std::uint16_t port);
Bytes dnat_in_turn(std::uint32_t family, std::uint32_t count, const SetName& map, std::uint16_t port);
Bytes masquerade();  // the source becomes the address of the link by which the packet leaves

// What stands in an element of a set: a key, and in a verdict map the verdict.
Bytes data(std::uint16_t type, std::string_view value);
Bytes verdict(std::uint16_t type, std::int32_t code, std::string_view chain = {});

}  // namespace convox::net::nft
