// How is the kernel told of a batch, and asked what rules there are?
//
// Over a netlink socket, which belongs to the network namespace in which it was opened. The kernel works within
// sendmsg(2): when that returns, all answers are there. Answers are believed only if the kernel sent them, whole, to
// the question that was asked. netlink(7), net/netfilter/nfnetlink.c
#pragma once
#include <functional>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"
#include "runtime/net/nft_batch.h"

struct nlmsghdr;

namespace convox::net::nft {

class Nftables {
 public:
  // An error that says what to do if the kernel has no nf_tables.
  static Result<Nftables> open();

  // Of the rules, which every change of anybody's increases.
  Result<std::uint32_t> generation();
  // Everything of a kind (NFT_MSG_GETCHAIN, ...), message by message. kSystem with ERESTART if somebody changed the
  // rules meanwhile, so that what was heard is neither the old nor the new.
  using Hear = std::function<void(const nlmsghdr&)>;
  Result<> list(std::uint16_t type, std::uint8_t family, std::string_view attributes, const Hear& hear);

  // A question, or a request, to any part of netfilter, and what it answers.
  Result<> ask(std::uint16_t type, std::uint16_t flags, std::uint8_t family, std::string_view attributes,
               std::string_view what, const Hear& hear);

  // As a whole or not at all; ERESTART as above.
  Result<> commit(const Batch& batch, std::uint32_t generation);

 private:
  explicit Nftables(UniqueFd socket) : socket_(std::move(socket)) {}
  Result<> send(std::string_view bytes, std::string_view what);
  // What the kernel sent next, or nothing if there was nothing until the deadline (0: if nothing is there).
  Result<std::string_view> receive(int seconds, std::string_view what);

  UniqueFd socket_;
  std::uint32_t sequence_ = 0;
  Bytes buffer_ = Bytes(std::size_t{1} << 16, '\0');
};

// Calls `each(type, value)` for the attributes behind a message's header, or within another attribute.
using EachAttribute = std::function<void(std::uint16_t type, std::string_view value)>;
void each_attribute(const nlmsghdr& message, const EachAttribute& each);
void each_attribute(std::string_view attributes, const EachAttribute& each);
std::uint32_t number_of(std::string_view value);       // of number()
std::string_view text_of(std::string_view value);      // of text()
std::uint64_t long_number_of(std::string_view value);  // of eight bytes

}  // namespace convox::net::nft
