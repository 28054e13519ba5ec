// How is a change of nftables said, so that it happens as a whole or not at all?
//
// As a batch: messages between a begin and an end, handed over in one sendmsg(2). The kernel prepares all of them
// beside what is in force, and then takes the new generation in place of the old one, or, if one message was wrong,
// forgets them. No packet ever meets half a change. A set that belongs to one rule alone has no name before the kernel
// gives it one; within the batch it goes by a number. net/netfilter/nf_tables_api.c, nfnetlink.c
#pragma once
#include <optional>
#include <vector>

#include "runtime/net/nft_attributes.h"
#include "runtime/net/nft_expressions.h"

namespace convox::net::nft {

struct Table {
  std::uint8_t family;  // NFPROTO_*
  Bytes name;
  bool operator==(const Table&) const = default;
};
std::string words(const Table& table);  // `inet convox`

// Where the kernel calls a chain from; a chain without one is only jumped to.
struct Hook {
  const char* type;  // filter, nat
  std::uint32_t number;
  std::int32_t priority;  // smaller ones come first
};

// What the keys of a set are. The numbers mean nothing to the kernel: by them `nft` knows how to print a key, so they
// are its own (include/datatype.h), which will not change.
struct Type {
  std::uint32_t number, size;
  enum Order : std::uint32_t { kMixed, kHost, kNetwork } order;
};
inline constexpr Type kInteger{4, 4, Type::kHost}, kAddress4{7, 4, Type::kNetwork}, kAddress6{8, 16, Type::kNetwork},
    kEther{9, 6, Type::kNetwork}, kEtherTypes{10, 2, Type::kNetwork}, kProtocols{12, 1, Type::kNetwork},
    kService{13, 2, Type::kNetwork}, kConnectionState{26, 4, Type::kHost}, kIcmp6Types{29, 1, Type::kNetwork},
    kInterface{41, 16, Type::kHost}, kVerdict{0xffffff00, 0, Type::kMixed};  // NFT_DATA_VERDICT

struct Set {
  Bytes name;                      // nothing if it belongs to one rule
  std::vector<Type> key;           // more than one: a concatenation
  std::optional<Type> value = {};  // of a map
  bool intervals = false;
};

// Parts of a key behind one another, each padded to a register: what `in({...})` looks for.
Bytes concatenated(std::initializer_list<std::string_view> parts);

struct Element {
  Bytes key;
  Bytes value = {};  // of a map: data() or verdict(), with kElementValue
  bool end = false;  // an interval ends in front of this key
};
extern const std::uint16_t kElementValue;

class Batch {
 public:
  void add_table(const Table& table, std::string_view comment);
  void delete_table(const Table& table);
  void add_chain(const Table& table, std::string_view name, const std::optional<Hook>& hook = {});
  void flush_chain(const Table& table, std::string_view name);  // its rules
  void delete_chain(const Table& table, std::string_view name);
  void add_rule(const Table& table, std::string_view chain, std::string_view expressions);
  // At the head of a chain; and away again, by the number that the kernel gave it.
  void insert_rule(const Table& table, std::string_view chain, std::string_view expressions, std::string_view comment);
  void delete_rule(const Table& table, std::string_view chain, std::uint64_t handle);

  void add_set(const Table& table, const Set& set);
  void add_elements(const Table& table, const SetName& set, const std::vector<Element>& elements);
  // Whether they are there or not: each is first added, so that there is something to delete.
  void delete_elements(const Table& table, const SetName& set, const std::vector<Element>& elements);
  // One that a rule, added next, has for its own.
  SetName own_set(const Table& table, const Set& set, const std::vector<Element>& elements);

  [[nodiscard]] bool empty() const { return said_.empty(); }
  [[nodiscard]] std::size_t messages() const { return said_.size(); }
  // All of it between begin and end, to be sent at once. The kernel refuses it (ERESTART) if the rules are not of
  // `generation` any more. The begin has sequence number 0, the messages 1 to messages().
  [[nodiscard]] Bytes bytes(std::uint32_t generation) const;
  [[nodiscard]] std::string said(std::uint32_t sequence) const;  // `NFT_MSG_NEWRULE inet convox forward`

 private:
  void say(std::uint16_t type, std::uint16_t flags, const Table& table, std::string_view attributes,
           std::string_view object);
  void say_elements(std::uint16_t type, std::uint16_t flags, const Table& table, const SetName& set,
                    const std::vector<Element>& elements);
  void say_set(const Table& table, const Set& set, std::uint32_t id, bool own, std::size_t elements);
  void say_rule(std::uint16_t flags, const Table& table, std::string_view chain, std::string_view attributes);

  struct Said {
    std::uint16_t type;
    std::string object;
  };
  Bytes bytes_;
  std::vector<Said> said_;
  std::size_t last_ = 0;  // where in bytes_ the last message begins
  std::uint32_t sets_ = 0;
};

inline constexpr std::uint16_t kNfTables = 10 << 8, kConntrack = 1 << 8;  // NFNL_SUBSYS_NFTABLES, _CTNETLINK

// One message to a part of netfilter (kNfTables | NFT_MSG_GETRULE, say), with the two headers in front of the
// attributes.
Bytes message(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence, std::uint8_t family,
              std::string_view attributes);

}  // namespace convox::net::nft
