#include "runtime/net/nftables.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstring>
#include <ctime>

namespace convox::net::nft {
namespace {

constexpr int kDeadline = 10;  // seconds, for an answer that should be there already

Error without_nf_tables(Error&& error) {
  return std::move(error).under(
      "this kernel has no nf_tables, and without a firewall no container gets a network (--network none or host "
      "needs none)");
}

// Which of our messages failed is known by its number; what is missing, if a kernel was built without it, by its kind.
Error failed(const Batch& batch, std::uint32_t sequence, int code) {
  const std::string said = batch.said(sequence);
  Error error = os_error("nf_tables", said, Errno(-code));
  const bool new_one = said.starts_with("NFT_MSG_NEW") || sequence == 0;
  if (code == EOPNOTSUPP || code == EAFNOSUPPORT || (code == ENOENT && new_one))
    return std::move(error).under(
        "this kernel's nf_tables lacks what the firewall needs (bridge, inet, nat, fib, numgen, ct)");
  return error;
}

// By our own count: mnl_nlmsg_ok takes a length of 2 GiB and more for a negative one, and so for small.
bool within_bounds(std::string_view datagram) {
  while (datagram.size() >= sizeof(nlmsghdr)) {
    std::uint32_t length = 0;
    std::memcpy(&length, datagram.data() + offsetof(nlmsghdr, nlmsg_len), sizeof length);
    if (length < sizeof(nlmsghdr) || length > datagram.size()) return false;
    datagram.remove_prefix(std::min<std::size_t>(MNL_ALIGN(std::size_t{length}), datagram.size()));
  }
  return true;
}

}  // namespace

Result<Nftables> Nftables::open() {
  const long socket = sys::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (socket == -EPROTONOSUPPORT || socket == -EAFNOSUPPORT)
    return without_nf_tables(os_error("socket", "NETLINK_NETFILTER", Errno(socket)));
  TRY(check(socket, "socket", "NETLINK_NETFILTER"));
  return Nftables(UniqueFd(static_cast<int>(socket)));
}

Result<> Nftables::send(std::string_view bytes, std::string_view what) {
  // One message of a socket is at most as long as its buffer, and a batch must be one. SO_SNDBUF is bounded by a
  // sysctl; whoever may change rules may pass that bound: socket(7).
  constexpr std::size_t kUsual = 64 * 1024;
  if (bytes.size() > kUsual) {
    if (bytes.size() > INT_MAX / 4) return os_error("sendmsg", what, Errno(-EMSGSIZE));
    const int size = static_cast<int>(bytes.size()) * 2;
    TRY(check(sys::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size), "setsockopt",
              "SO_SNDBUFFORCE"));
  }
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  iovec part{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  msghdr message{};
  message.msg_name = &kernel;
  message.msg_namelen = sizeof kernel;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  long sent = 0;
  do sent = sys::sendmsg(socket_.get(), &message, 0);
  while (sent == -EINTR);
  TRY(check(sent, "sendmsg", what));
  return ok();
}

Result<std::string_view> Nftables::receive(int seconds, std::string_view what) {
  timespec left{.tv_sec = seconds, .tv_nsec = 0};  // the call counts it down, so EINTR needs no clock: ppoll(2)
  for (;;) {
    pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    const long ready = sys::ppoll(&waiting, 1, &left);
    if (ready == -EINTR) continue;
    TRY(check(ready, "ppoll", what));
    if (ready == 0) return std::string_view();
    sockaddr_nl sender{};
    iovec part{.iov_base = buffer_.data(), .iov_len = buffer_.size()};
    msghdr message{};
    message.msg_name = &sender;
    message.msg_namelen = sizeof sender;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const long got = sys::recvmsg(socket_.get(), &message, MSG_DONTWAIT);
    if (got == -EINTR || got == -EAGAIN) continue;
    TRY(check(got, "recvmsg", what));
    if (sender.nl_pid != 0) continue;  // any process may send to a netlink socket; the kernel's number is 0
    if (message.msg_flags & MSG_TRUNC) return os_error("recvmsg", what, Errno(-EMSGSIZE));
    const std::string_view answer(buffer_.data(), static_cast<std::size_t>(got));
    if (!within_bounds(answer)) return os_error("recvmsg", what, Errno(-EBADMSG));
    return answer;
  }
}

Result<> Nftables::ask(std::uint16_t type, std::uint16_t flags, std::uint8_t family, std::string_view attributes,
                       std::string_view what, const Hear& hear) {
  TRY(send(message(type, flags, ++sequence_, family, attributes), what));
  const auto each = [](const nlmsghdr* heard, void* context) -> int {
    (*static_cast<const Hear*>(context))(*heard);
    return MNL_CB_OK;
  };
  for (int more = MNL_CB_OK; more > MNL_CB_STOP;) {
    const std::string_view answer = TRY(receive(kDeadline, what));
    if (answer.empty()) return os_error("recvmsg", what, Errno(-ETIMEDOUT));
    more = mnl_cb_run(answer.data(), answer.size(), sequence_, 0, each, const_cast<Hear*>(&hear));
    // libmnl says EINTR for a list that was changed while it was read: NLM_F_DUMP_INTR.
    if (more < 0) return os_error("nf_tables", what, Errno(errno == EINTR ? -ERESTART : -errno));
  }
  return ok();
}

Result<std::uint32_t> Nftables::generation() {
  std::uint32_t generation = 0;
  Result<> asked =
      ask(kNfTables | NFT_MSG_GETGEN, NLM_F_ACK, AF_UNSPEC, {}, "NFT_MSG_GETGEN", [&](const nlmsghdr& heard) {
        each_attribute(heard, [&](std::uint16_t type, std::string_view value) {
          if (type == NFTA_GEN_ID) generation = number_of(value);
        });
      });
  // So answers a kernel to a subsystem that it does not have: nfnetlink_rcv_msg()
  if (!asked && asked.error().code == EINVAL) return without_nf_tables(std::move(asked).error());
  TRY(std::move(asked));
  return generation;
}

Result<> Nftables::list(std::uint16_t type, std::uint8_t family, std::string_view attributes, const Hear& hear) {
  return ask(kNfTables | type, NLM_F_DUMP, family, attributes, "listing", hear);
}

Result<> Nftables::commit(const Batch& batch, std::uint32_t generation) {
  if (batch.empty()) return ok();
  TRY(send(batch.bytes(generation), "a batch"));
  // First the failures, in the order of the messages, then the last message's answer; and if the batch as a whole
  // failed, that, as an answer to its begin. Nothing is done unless the last message is acknowledged and nothing
  // failed.
  const auto last = static_cast<std::uint32_t>(batch.messages());
  bool done = false;
  std::optional<Error> first;
  for (;;) {
    Result<std::string_view> heard = receive(done || first ? 0 : kDeadline, "a batch");
    if (!heard && first) return std::move(*first);  // ENOBUFS: more failures than there is room for
    const std::string_view answer = TRY(std::move(heard));
    if (answer.empty()) break;
    int left = static_cast<int>(answer.size());
    for (auto* at = reinterpret_cast<const nlmsghdr*>(answer.data()); mnl_nlmsg_ok(at, left);
         at = mnl_nlmsg_next(at, &left)) {
      if (at->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(at) < sizeof(nlmsgerr)) continue;
      const int code = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(at))->error;
      if (code == 0 && at->nlmsg_seq == last) done = true;
      if (code != 0 && !first) first = failed(batch, at->nlmsg_seq, code);
    }
  }
  if (first) return std::move(*first);
  if (!done) return os_error("recvmsg", "a batch", Errno(-ETIMEDOUT));
  return ok();
}

void each_attribute(std::string_view attributes, const EachAttribute& each) {
  const auto call = [](const nlattr* attribute, void* context) -> int {
    (*static_cast<const EachAttribute*>(context))(
        mnl_attr_get_type(attribute), std::string_view(static_cast<const char*>(mnl_attr_get_payload(attribute)),
                                                       mnl_attr_get_payload_len(attribute)));
    return MNL_CB_OK;
  };
  mnl_attr_parse_payload(attributes.data(), attributes.size(), call, const_cast<EachAttribute*>(&each));
}
void each_attribute(const nlmsghdr& message, const EachAttribute& each) {
  const std::size_t size = mnl_nlmsg_get_payload_len(&message);
  if (size < MNL_ALIGN(sizeof(nfgenmsg))) return;
  const auto* const payload = static_cast<const char*>(mnl_nlmsg_get_payload(&message));
  each_attribute(std::string_view(payload, size).substr(MNL_ALIGN(sizeof(nfgenmsg))), each);
}

std::uint64_t long_number_of(std::string_view value) {
  std::uint64_t number = 0;
  for (const unsigned char byte : value) number = number << 8 | byte;
  return number;
}
std::uint32_t number_of(std::string_view value) { return static_cast<std::uint32_t>(long_number_of(value)); }
std::string_view text_of(std::string_view value) { return value.substr(0, value.find('\0')); }

}  // namespace convox::net::nft
