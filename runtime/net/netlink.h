// How is the kernel asked by netlink, and when is an answer believed?
//
// A request is one message over an AF_NETLINK socket, which belongs for ever to the network namespace in which it was
// opened. libmnl lays out the messages; the calls are sys::'s, so that a MODE=faults build reaches them. An answer
// counts if the kernel sent it (nl_pid 0: any process may send to our port), in the sequence of the last request, whole
// (MSG_TRUNC), and within bounds; a request that changes something is done when its ACK says so. A dump that the kernel
// could not give whole (ENOBUFS), or during which the list changed (NLM_F_DUMP_INTR), is asked for again.  netlink(7)
// Read next: link.h, address.h.
#pragma once
#include <libmnl/libmnl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::net {

// A request in the making: the kernel's two headers at the front of a buffer, attributes behind them. The buffer is
// larger than all that we put into one: names of 15 bytes, addresses, numbers.
template <class Header>
struct Request {
  alignas(nlmsghdr) std::array<char, 1024> buffer{};
  nlmsghdr* message;
  Header* header;
  Request(int type, int flags)
      : message(mnl_nlmsg_put_header(buffer.data())),
        header(static_cast<Header*>(mnl_nlmsg_put_extra_header(message, sizeof(Header)))) {
    message->nlmsg_type = static_cast<std::uint16_t>(type);
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
};

// Messages that answer a request, as they came.
using Answer = std::vector<char>;

// The kernel's second header in an answer of this type; null if it is another one, or too short.
template <class Header>
const Header* header_of(const Answer& answer, int type) {
  const auto* message = reinterpret_cast<const nlmsghdr*>(answer.data());
  if (message->nlmsg_type != type || mnl_nlmsg_get_payload_len(message) < sizeof(Header)) return nullptr;
  return static_cast<const Header*>(mnl_nlmsg_get_payload(message));
}

// Calls `each` for the attributes behind the Header, or within a nest, each of them within bounds (mnl_attr_ok).
template <class Header, class Each>
void each_attribute(const Answer& answer, Each each) {
  const auto call = [](const nlattr* attribute, void* context) -> int {
    (*static_cast<Each*>(context))(attribute);
    return MNL_CB_OK;
  };
  mnl_attr_parse(reinterpret_cast<const nlmsghdr*>(answer.data()), sizeof(Header), call, &each);
}
template <class Each>
void each_nested(const nlattr* nest, Each each) {
  const auto call = [](const nlattr* attribute, void* context) -> int {
    (*static_cast<Each*>(context))(attribute);
    return MNL_CB_OK;
  };
  mnl_attr_parse_nested(nest, call, &each);
}
// The attribute's bytes, if they are exactly a Value.
template <class Value>
bool read_value(const nlattr* attribute, Value& value) {
  if (mnl_attr_get_payload_len(attribute) != sizeof value) return false;
  const auto* bytes = static_cast<const char*>(mnl_attr_get_payload(attribute));
  std::copy(bytes, bytes + sizeof value, reinterpret_cast<char*>(&value));
  return true;
}
// Up to its NUL or its end, whichever is first.
inline std::string read_text(const nlattr* attribute) {
  const std::string_view bytes(static_cast<const char*>(mnl_attr_get_payload(attribute)),
                               mnl_attr_get_payload_len(attribute));
  return std::string(bytes.substr(0, bytes.find('\0')));
}

// What the answers to one request have said so far. Apart from the socket, so that it can be judged without one.
class Conversation {
 public:
  explicit Conversation(unsigned sequence) : sequence_(sequence) {}

  // One datagram of the kernel's; 0, or why it cannot be believed.
  Errno hear(const char* bytes, std::size_t size);
  // The kernel had no memory for an answer.  netlink(7), ENOBUFS
  void lost() { incomplete_ = true; }

  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] bool incomplete() const { return incomplete_; }  // to be asked again, if that changes nothing
  [[nodiscard]] Errno refusal() const { return refusal_; }       // once it has ended
  std::vector<Answer> take() { return std::move(answers_); }

 private:
  unsigned sequence_;
  bool ended_ = false, incomplete_ = false;
  Errno refusal_;
  std::vector<Answer> answers_;
};

class Netlink {
 public:
  // A socket of the namespace that this thread is in.
  static Result<Netlink> open();

  // Sends, and gives the answers once the kernel has said that it is done; its errno is the error's. `what` and
  // `object` are for the words.
  Result<std::vector<Answer>> ask(nlmsghdr* request, std::string_view what, std::string_view object);
  // The same where nothing but that is of interest.
  Result<> tell(nlmsghdr* request, std::string_view what, std::string_view object);

 private:
  explicit Netlink(UniqueFd socket) : socket_(std::move(socket)), buffer_(std::size_t{1} << 15) {}
  [[nodiscard]] Errno send(const nlmsghdr& request) const;
  Errno receive(Conversation& conversation);

  UniqueFd socket_;
  std::vector<char> buffer_;  // 32 KiB: the kernel's own limit for a part of a dump
  unsigned sequence_ = 0;
};

}  // namespace convox::net
