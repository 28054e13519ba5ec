#include "runtime/net/nft_batch.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cstring>

#include "runtime/base/cat.h"

namespace convox::net::nft {
namespace {

constexpr std::size_t kMostInOneMessage = 32 * 1024;  // of elements: all are within one attribute
constexpr unsigned kBitsOfType = 6;                   // of each part of a concatenation

const char* name_of(std::uint16_t type) {
  switch (type) {
    case NFT_MSG_NEWTABLE:
      return "NFT_MSG_NEWTABLE";
    case NFT_MSG_DELTABLE:
      return "NFT_MSG_DELTABLE";
    case NFT_MSG_NEWCHAIN:
      return "NFT_MSG_NEWCHAIN";
    case NFT_MSG_DELCHAIN:
      return "NFT_MSG_DELCHAIN";
    case NFT_MSG_NEWRULE:
      return "NFT_MSG_NEWRULE";
    case NFT_MSG_DELRULE:
      return "NFT_MSG_DELRULE";
    case NFT_MSG_NEWSET:
      return "NFT_MSG_NEWSET";
    case NFT_MSG_NEWSETELEM:
      return "NFT_MSG_NEWSETELEM";
    case NFT_MSG_DELSETELEM:
      return "NFT_MSG_DELSETELEM";
    default:
      return "NFT_MSG";
  }
}

Bytes raw_message(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence, std::uint8_t family,
                  std::uint16_t resource, std::string_view attributes) {
  std::vector<nlmsghdr> room(2 + (sizeof(nfgenmsg) + attributes.size()) / sizeof(nlmsghdr) + 1);
  nlmsghdr* const header = mnl_nlmsg_put_header(room.data());
  header->nlmsg_type = type;
  header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  header->nlmsg_seq = sequence;
  auto* const extra = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
  extra->nfgen_family = family;
  extra->version = NFNETLINK_V0;
  extra->res_id = htons(resource);
  if (!attributes.empty())
    std::memcpy(mnl_nlmsg_put_extra_header(header, attributes.size()), attributes.data(), attributes.size());
  return Bytes(reinterpret_cast<const char*>(header), header->nlmsg_len);
}

Bytes padded(std::string_view part) {
  Bytes bytes(part);
  bytes.resize(MNL_ALIGN(part.size()), '\0');
  return bytes;
}

// How `nft` is to read the integers of keys and values: a list of type, length and value, as a comment is one.
Bytes byte_order(const Set& set) {
  constexpr char kKeyOrder = 0, kValueOrder = 1;  // NFTNL_UDATA_SET_KEYBYTEORDER, _DATABYTEORDER
  const auto entry = [](char type, std::uint32_t order) { return Bytes{type, 4} + in_host_order(order); };
  Bytes all = entry(kKeyOrder, set.key.size() == 1 ? set.key[0].order : Type::kMixed);
  if (set.value) all += entry(kValueOrder, set.value->order);
  return attribute(NFTA_SET_USERDATA, all);
}

}  // namespace

const std::uint16_t kElementValue = NFTA_SET_ELEM_DATA;

Bytes message(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence, std::uint8_t family,
              std::string_view attributes) {
  return raw_message(type, flags, sequence, family, 0, attributes);
}

std::string words(const Table& table) {
  const char* family = table.family == NFPROTO_INET     ? "inet"
                       : table.family == NFPROTO_IPV4   ? "ip"
                       : table.family == NFPROTO_IPV6   ? "ip6"
                       : table.family == NFPROTO_BRIDGE ? "bridge"
                                                        : "other";
  return cat(family, " ", table.name);
}

Bytes concatenated(std::initializer_list<std::string_view> parts) {
  Bytes all;
  for (const std::string_view part : parts) all += padded(part);
  return all;
}

void Batch::say(std::uint16_t type, std::uint16_t flags, const Table& table, std::string_view attributes,
                std::string_view object) {
  said_.push_back({type, object.empty() ? words(table) : cat(words(table), " ", object)});
  last_ = bytes_.size();
  bytes_ += message(kNfTables | type, flags, static_cast<std::uint32_t>(said_.size()), table.family, attributes);
}

void Batch::add_table(const Table& table, std::string_view about) {
  say(NFT_MSG_NEWTABLE, NLM_F_CREATE, table,
      text(NFTA_TABLE_NAME, table.name) + (about.empty() ? Bytes() : comment(NFTA_TABLE_USERDATA, about)), {});
}
void Batch::delete_table(const Table& table) { say(NFT_MSG_DELTABLE, 0, table, text(NFTA_TABLE_NAME, table.name), {}); }

void Batch::add_chain(const Table& table, std::string_view name, const std::optional<Hook>& hook) {
  Bytes attributes = text(NFTA_CHAIN_TABLE, table.name) + text(NFTA_CHAIN_NAME, name);
  if (hook)
    attributes += nested(NFTA_CHAIN_HOOK, number(NFTA_HOOK_HOOKNUM, hook->number) +
                                              number(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(hook->priority))) +
                  number(NFTA_CHAIN_POLICY, NF_ACCEPT) + text(NFTA_CHAIN_TYPE, hook->type);
  say(NFT_MSG_NEWCHAIN, NLM_F_CREATE, table, attributes, name);
}
void Batch::flush_chain(const Table& table, std::string_view name) {
  say(NFT_MSG_DELRULE, 0, table, text(NFTA_RULE_TABLE, table.name) + text(NFTA_RULE_CHAIN, name), name);
}
void Batch::delete_chain(const Table& table, std::string_view name) {
  say(NFT_MSG_DELCHAIN, 0, table, text(NFTA_CHAIN_TABLE, table.name) + text(NFTA_CHAIN_NAME, name), name);
}

void Batch::say_rule(std::uint16_t flags, const Table& table, std::string_view chain, std::string_view attributes) {
  say(NFT_MSG_NEWRULE, NLM_F_CREATE | flags, table,
      text(NFTA_RULE_TABLE, table.name) + text(NFTA_RULE_CHAIN, chain) + Bytes(attributes), chain);
}
void Batch::add_rule(const Table& table, std::string_view chain, std::string_view expressions) {
  say_rule(NLM_F_APPEND, table, chain, nested(NFTA_RULE_EXPRESSIONS, expressions));
}
void Batch::insert_rule(const Table& table, std::string_view chain, std::string_view expressions,
                        std::string_view about) {
  say_rule(0, table, chain, nested(NFTA_RULE_EXPRESSIONS, expressions) + comment(NFTA_RULE_USERDATA, about));
}
void Batch::delete_rule(const Table& table, std::string_view chain, std::uint64_t handle) {
  const Bytes high_first = in_host_order(htonl(static_cast<std::uint32_t>(handle >> 32))) +
                           in_host_order(htonl(static_cast<std::uint32_t>(handle)));
  say(NFT_MSG_DELRULE, 0, table,
      text(NFTA_RULE_TABLE, table.name) + text(NFTA_RULE_CHAIN, chain) + attribute(NFTA_RULE_HANDLE, high_first),
      chain);
}

void Batch::say_set(const Table& table, const Set& set, std::uint32_t id, bool own, std::size_t elements) {
  std::uint32_t type = 0, size = 0, flags = 0;
  for (const Type& part : set.key) {
    type = type << kBitsOfType | part.number;
    size += set.key.size() == 1 ? part.size : static_cast<std::uint32_t>(MNL_ALIGN(part.size));
  }
  if (own) flags |= NFT_SET_ANONYMOUS | NFT_SET_CONSTANT;
  if (set.intervals) flags |= NFT_SET_INTERVAL;
  if (set.value) flags |= NFT_SET_MAP;
  Bytes attributes = text(NFTA_SET_TABLE, table.name) + text(NFTA_SET_NAME, set.name) + number(NFTA_SET_FLAGS, flags) +
                     number(NFTA_SET_KEY_TYPE, type) + number(NFTA_SET_KEY_LEN, size);
  if (set.value)
    attributes += number(NFTA_SET_DATA_TYPE, set.value->number) + number(NFTA_SET_DATA_LEN, set.value->size);
  attributes += number(NFTA_SET_ID, id);
  // Of a set that never grows the kernel wants to know the size: it takes a faster kind for it.
  if (own) attributes += nested(NFTA_SET_DESC, number(NFTA_SET_DESC_SIZE, static_cast<std::uint32_t>(elements)));
  say(NFT_MSG_NEWSET, NLM_F_CREATE, table, attributes + byte_order(set), set.name);
}

void Batch::say_elements(std::uint16_t type, std::uint16_t flags, const Table& table, const SetName& set,
                         const std::vector<Element>& elements) {
  const Bytes whose = text(NFTA_SET_ELEM_LIST_TABLE, table.name) + text(NFTA_SET_ELEM_LIST_SET, set.name) +
                      (set.id ? number(NFTA_SET_ELEM_LIST_SET_ID, set.id) : Bytes());
  Bytes list;
  const auto flush = [&] {
    if (!list.empty()) say(type, flags, table, whose + nested(NFTA_SET_ELEM_LIST_ELEMENTS, list), set.name);
    list.clear();
  };
  for (const Element& element : elements) {
    list += nested(NFTA_LIST_ELEM, (element.end ? number(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END) : Bytes()) +
                                       data(NFTA_SET_ELEM_KEY, element.key) + element.value);
    if (list.size() > kMostInOneMessage) flush();
  }
  flush();
}

void Batch::add_set(const Table& table, const Set& set) { say_set(table, set, ++sets_, false, 0); }
void Batch::add_elements(const Table& table, const SetName& set, const std::vector<Element>& elements) {
  say_elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, set, elements);
}
void Batch::delete_elements(const Table& table, const SetName& set, const std::vector<Element>& elements) {
  add_elements(table, set, elements);
  say_elements(NFT_MSG_DELSETELEM, 0, table, set, elements);
}
SetName Batch::own_set(const Table& table, const Set& set, const std::vector<Element>& elements) {
  Set named = set;
  named.name = set.value ? "__map%d" : "__set%d";  // the kernel puts a number there that is free
  SetName name(named.name, ++sets_);
  say_set(table, named, name.id, true, elements.size());
  add_elements(table, name, elements);
  return name;
}

Bytes Batch::bytes(std::uint32_t generation) const {
  const std::uint32_t end = static_cast<std::uint32_t>(said_.size()) + 1;
  const auto edge = [](std::uint16_t type, std::uint32_t sequence, std::string_view attributes) {
    return raw_message(type, 0, sequence, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, attributes);
  };
  Bytes all = edge(NFNL_MSG_BATCH_BEGIN, 0, number(NFNL_BATCH_GENID, generation));
  const std::size_t last = all.size() + last_;
  all += bytes_;
  // Only the last message asks for an answer, since a thousand of them would not fit into the socket's buffer. Those
  // that fail are answered in any case.
  if (!said_.empty()) reinterpret_cast<nlmsghdr*>(all.data() + last)->nlmsg_flags |= NLM_F_ACK;
  return all + edge(NFNL_MSG_BATCH_END, end, {});
}

std::string Batch::said(std::uint32_t sequence) const {
  if (sequence == 0 || sequence > said_.size()) return "NFNL_MSG_BATCH_BEGIN";
  const Said& said = said_[sequence - 1];
  return cat(name_of(said.type), " ", said.object);
}

}  // namespace convox::net::nft
