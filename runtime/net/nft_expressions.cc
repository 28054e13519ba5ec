#include "runtime/net/nft_expressions.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

#include <cstddef>

namespace convox::net::nft {
namespace {

constexpr std::uint32_t kFirst = NFT_REG32_00;  // where a rule's fields are loaded; the next is kFirst + 1
constexpr std::uint32_t kWord = NFT_REG32_SIZE;

std::uint32_t words(std::uint32_t bytes) { return (bytes + kWord - 1) / kWord; }

Bytes expression(std::string_view name, std::string_view attributes) {
  return nested(NFTA_LIST_ELEM, text(NFTA_EXPR_NAME, name) + nested(NFTA_EXPR_DATA, attributes));
}

Bytes load_payload(std::uint32_t base, const Field& field, std::uint32_t to) {
  return expression("payload", number(NFTA_PAYLOAD_DREG, to) + number(NFTA_PAYLOAD_BASE, base) +
                                   number(NFTA_PAYLOAD_OFFSET, field.what) + number(NFTA_PAYLOAD_LEN, field.size));
}

Bytes load(const Field& field, std::uint32_t to) {
  switch (field.from) {
    case Field::From::kMeta:
      return expression("meta", number(NFTA_META_KEY, field.what) + number(NFTA_META_DREG, to));
    case Field::From::kConntrack:
      return expression("ct", number(NFTA_CT_KEY, field.what) + number(NFTA_CT_DREG, to));
    case Field::From::kRoute:
      return expression(
          "fib", number(NFTA_FIB_DREG, to) + number(NFTA_FIB_RESULT, field.what) + number(NFTA_FIB_FLAGS, field.flags));
    case Field::From::kLink:
      return load_payload(NFT_PAYLOAD_LL_HEADER, field, to);
    case Field::From::kNetwork:
      return load_payload(NFT_PAYLOAD_NETWORK_HEADER, field, to);
    case Field::From::kTransport:
      return load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, field, to);
  }
  __builtin_unreachable();
}

Bytes load(const Fields& fields) {
  Bytes all;
  std::uint32_t to = kFirst;
  for (const Field& field : fields) {
    all += load(field, to);
    to += words(field.size);
  }
  return all;
}

Bytes compare(std::uint32_t how, std::string_view value) {
  return expression("cmp", number(NFTA_CMP_SREG, kFirst) + number(NFTA_CMP_OP, how) + data(NFTA_CMP_DATA, value));
}

// The register becomes ( register & ones ) ^ 0.
Bytes mask(std::string_view ones) {
  const auto size = static_cast<std::uint32_t>(ones.size());
  return expression("bitwise", number(NFTA_BITWISE_SREG, kFirst) + number(NFTA_BITWISE_DREG, kFirst) +
                                   number(NFTA_BITWISE_LEN, size) + data(NFTA_BITWISE_MASK, ones) +
                                   data(NFTA_BITWISE_XOR, Bytes(size, '\0')));
}

Bytes lookup(const SetName& set, std::string_view more) {
  return expression("lookup", text(NFTA_LOOKUP_SET, set.name) + number(NFTA_LOOKUP_SREG, kFirst) +
                                  (set.id ? number(NFTA_LOOKUP_SET_ID, set.id) : Bytes()) + Bytes(more));
}

Bytes immediate(std::uint32_t to, std::string_view what) {
  return expression("immediate", number(NFTA_IMMEDIATE_DREG, to) + Bytes(what));
}
Bytes decide(std::int32_t code, std::string_view chain = {}) {
  return immediate(NFT_REG_VERDICT, verdict(NFTA_IMMEDIATE_DATA, code, chain));
}

// Address in the first register, port behind it. The flag says that a port is given: nf_nat.h
Bytes translate(std::uint32_t family, std::uint16_t port) {
  constexpr std::uint32_t kPortRegister = kFirst + 4;  // an IPv6 address has four
  return immediate(kPortRegister, data(NFTA_IMMEDIATE_DATA, in_network_order(port))) +
         expression("nat", number(NFTA_NAT_TYPE, NFT_NAT_DNAT) + number(NFTA_NAT_FAMILY, family) +
                               number(NFTA_NAT_REG_ADDR_MIN, kFirst) + number(NFTA_NAT_REG_PROTO_MIN, kPortRegister) +
                               number(NFTA_NAT_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED));
}

using From = Field::From;

}  // namespace

const Field kIif{From::kMeta, NFT_META_IIF, 4};
const Field kIifname{From::kMeta, NFT_META_IIFNAME, 16};
const Field kOifname{From::kMeta, NFT_META_OIFNAME, 16};
const Field kFamily{From::kMeta, NFT_META_NFPROTO, 1};
const Field kProtocol{From::kMeta, NFT_META_L4PROTO, 1};
const Field kEtherSource{From::kLink, 6, 6}, kEtherType{From::kLink, 12, 2};
const Field kArpEtherSource{From::kNetwork, 8, 6}, kArpIpSource{From::kNetwork, 14, 4};  // RFC 826
const Field kIpSource{From::kNetwork, 12, 4}, kIpDestination{From::kNetwork, 16, 4};     // RFC 791, 3.1
const Field kIpSourceNetwork{From::kNetwork, 12, 1}, kIpDestinationNetwork{From::kNetwork, 16, 1};
const Field kIp6SourceSite{From::kNetwork, 8, 6};
const Field kIp6Source{From::kNetwork, 8, 16}, kIp6Destination{From::kNetwork, 24, 16};  // RFC 8200, 3
const Field kSourcePort{From::kTransport, 0, 2}, kPort{From::kTransport, 2, 2};
const Field kIcmp6Type{From::kTransport, 0, 1}, kNeighbour{From::kTransport, 8, 16};
const Field kState{From::kConntrack, NFT_CT_STATE, 4}, kStatus{From::kConntrack, NFT_CT_STATUS, 4};
const Field kSourceType{From::kRoute, NFT_FIB_RESULT_ADDRTYPE, 4, NFTA_FIB_F_SADDR};
const Field kDestinationType{From::kRoute, NFT_FIB_RESULT_ADDRTYPE, 4, NFTA_FIB_F_DADDR};

Bytes is(const Field& field, std::string_view value) { return load({field}) + compare(NFT_CMP_EQ, value); }
Bytes is_not(const Field& field, std::string_view value) { return load({field}) + compare(NFT_CMP_NEQ, value); }

Bytes has(const Field& field, std::uint32_t bits) {
  return load({field}) + mask(in_host_order(bits)) + compare(NFT_CMP_NEQ, Bytes(sizeof bits, '\0'));
}

Bytes has_prefix(const Field& field, std::string_view value, unsigned bits) {
  Bytes ones(field.size, '\0');
  for (unsigned at = 0; at < bits; ++at) ones[at / 8] = static_cast<char>(ones[at / 8] | 0x80 >> at % 8);
  return load({field}) + mask(ones) + compare(NFT_CMP_EQ, value);
}

Bytes in(const Fields& fields, const SetName& set) { return load(fields) + lookup(set, {}); }
Bytes not_in(const Fields& fields, const SetName& set) {
  return load(fields) + lookup(set, number(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV));
}

Bytes accept() { return decide(NF_ACCEPT); }
Bytes drop() { return decide(NF_DROP); }
Bytes leave() { return decide(NFT_RETURN); }
Bytes jump(std::string_view chain) { return decide(NFT_JUMP, chain); }
Bytes go_to(std::string_view chain) { return decide(NFT_GOTO, chain); }
Bytes verdict_of(const Fields& fields, const SetName& map) {
  return load(fields) + lookup(map, number(NFTA_LOOKUP_DREG, NFT_REG_VERDICT));
}

Bytes dnat(std::string_view address, std::uint16_t port) {
  return immediate(kFirst, data(NFTA_IMMEDIATE_DATA, address)) +
         translate(address.size() == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6, port);
}
Bytes dnat_in_turn(std::uint32_t family, std::uint32_t count, const SetName& map, std::uint16_t port) {
  return expression("numgen", number(NFTA_NG_DREG, kFirst) + number(NFTA_NG_MODULUS, count) +
                                  number(NFTA_NG_TYPE, NFT_NG_INCREMENTAL) + number(NFTA_NG_OFFSET, 0)) +
         lookup(map, number(NFTA_LOOKUP_DREG, kFirst)) + translate(family, port);
}
Bytes masquerade() { return expression("masq", {}); }

Bytes data(std::uint16_t type, std::string_view value) { return nested(type, attribute(NFTA_DATA_VALUE, value)); }
Bytes verdict(std::uint16_t type, std::int32_t code, std::string_view chain) {
  return nested(type, nested(NFTA_DATA_VERDICT, number(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code)) +
                                                    (chain.empty() ? Bytes() : text(NFTA_VERDICT_CHAIN, chain))));
}

}  // namespace convox::net::nft
