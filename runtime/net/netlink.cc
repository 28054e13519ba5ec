#include "runtime/net/netlink.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

namespace convox::net {
namespace {

constexpr int kSeconds = 10;   // how long the kernel may take for one datagram: it answers within sendmsg(2), mostly
constexpr int kAttempts = 20;  // for a list that changes while it is read

// rtnetlink numbers its messages in fours: new, delete, get, set.  linux/rtnetlink.h
bool changes_nothing(const nlmsghdr& request) { return (request.nlmsg_type & 3) == (RTM_GETLINK & 3); }

}  // namespace

Errno Conversation::hear(const char* bytes, std::size_t size) {
  // Bounds by our own count: mnl_nlmsg_ok takes a length of 2 GiB and more for a negative one, and so for small.
  for (std::size_t at = 0; !ended_ && at < size;) {
    const auto* message = reinterpret_cast<const nlmsghdr*>(bytes + at);
    const std::size_t rest = size - at;
    if (rest < sizeof *message || message->nlmsg_len < sizeof *message || message->nlmsg_len > rest)
      return Errno(-EBADMSG);
    at += NLMSG_ALIGN(std::size_t{message->nlmsg_len});
    if (message->nlmsg_seq != sequence_) continue;  // of a request that was given up
    if (message->nlmsg_flags & NLM_F_DUMP_INTR) incomplete_ = true;
    const auto* payload = static_cast<const char*>(mnl_nlmsg_get_payload(message));
    const std::size_t length = mnl_nlmsg_get_payload_len(message);
    switch (message->nlmsg_type) {
      case NLMSG_NOOP:
        break;
      case NLMSG_OVERRUN:
        lost();
        break;
      case NLMSG_ERROR:
      case NLMSG_DONE: {
        // An error's number, 0 for an ACK; behind a dump it tells whether there were answers.
        int number = 0;
        if (length >= sizeof number) std::copy(payload, payload + sizeof number, reinterpret_cast<char*>(&number));
        if (message->nlmsg_type == NLMSG_ERROR && length < sizeof(nlmsgerr)) return Errno(-EBADMSG);
        refusal_ = Errno(number);
        ended_ = true;
        break;
      }
      default:
        answers_.emplace_back(reinterpret_cast<const char*>(message),
                              reinterpret_cast<const char*>(message) + message->nlmsg_len);
    }
  }
  return {};
}

Result<Netlink> Netlink::open() {
  UniqueFd socket(TRY(check(sys::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "socket", "AF_NETLINK")));
  sockaddr_nl any{};
  any.nl_family = AF_NETLINK;  // the kernel chooses the port
  TRY(check(sys::bind(socket.get(), &any, sizeof any), "bind", "AF_NETLINK"));
  return Netlink(std::move(socket));
}

Errno Netlink::send(const nlmsghdr& request) const {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  iovec bytes{const_cast<nlmsghdr*>(&request), request.nlmsg_len};
  msghdr header{};
  header.msg_name = &kernel;
  header.msg_namelen = sizeof kernel;
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  long sent = 0;
  do sent = sys::sendmsg(socket_.get(), &header, 0);
  while (sent == -EINTR);
  return Errno(sent);
}

// One datagram into the conversation, whoever it is from.
Errno Netlink::receive(Conversation& conversation) {
  sockaddr_nl sender{};
  iovec bytes{buffer_.data(), buffer_.size()};
  msghdr header{};
  header.msg_name = &sender;
  header.msg_namelen = sizeof sender;
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  const long got = sys::recvmsg(socket_.get(), &header, MSG_DONTWAIT);
  if (got == -EAGAIN) {
    pollfd waiting{socket_.get(), POLLIN, 0};
    timespec limit{kSeconds, 0};
    const long ready = sys::ppoll(&waiting, 1, &limit);
    return ready == 0 ? Errno(-ETIMEDOUT) : ready == -EINTR ? Errno() : Errno(ready);
  }
  if (got == -ENOBUFS) conversation.lost();
  if (got == -EINTR || got == -ENOBUFS) return {};
  if (got < 0) return Errno(got);
  if (header.msg_flags & MSG_TRUNC) return Errno(-EMSGSIZE);
  if (header.msg_namelen != sizeof sender || sender.nl_pid != 0) return {};
  return conversation.hear(buffer_.data(), static_cast<std::size_t>(got));
}

Result<std::vector<Answer>> Netlink::ask(nlmsghdr* request, std::string_view what, std::string_view object) {
  request->nlmsg_flags |= NLM_F_ACK;
  const bool again = changes_nothing(*request);
  const bool dump = again && (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    request->nlmsg_seq = ++sequence_;
    if (const Errno error = send(*request)) return os_error(what, object, error);
    Conversation conversation(request->nlmsg_seq);
    // A dump goes on behind a lost part, and must be heard to its end before the next may begin (EBUSY). The answer to
    // a single question is gone.
    while (!conversation.ended() && (dump || !conversation.incomplete()))
      if (const Errno error = receive(conversation)) return os_error(what, object, error);
    if (conversation.refusal()) return os_error(what, object, conversation.refusal());
    if (!conversation.incomplete()) return conversation.take();
    if (!again) return os_error(what, object, Errno(-ENOBUFS));  // done or not: nobody knows
  }
  return os_error(what, object, Errno(-EAGAIN)).under("the kernel's list changes faster than it can be read");
}

Result<> Netlink::tell(nlmsghdr* request, std::string_view what, std::string_view object) {
  TRY(ask(request, what, object));
  return ok();
}

}  // namespace convox::net
