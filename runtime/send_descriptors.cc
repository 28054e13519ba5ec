#include "runtime/send_descriptors.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstring>

namespace convox::runtime {
namespace {

constexpr std::size_t kMost = 253;  // SCM_MAX_FD

}  // namespace

Result<> send_descriptors(int socket, std::string_view payload, const int* descriptors, std::size_t count) {
  if (count > kMost) return invalid("more descriptors than one message carries");
  iovec data{const_cast<char*>(payload.data()), payload.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kMost * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(count * sizeof(int));
  cmsghdr* part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(count * sizeof(int));
  std::memcpy(CMSG_DATA(part), descriptors, count * sizeof(int));
  long sent = 0;
  do sent = sys::sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent == -EINTR);
  TRY(check(sent, "sendmsg", ""));
  if (static_cast<std::size_t>(sent) != payload.size()) return invalid("the receiver does not read");
  return ok();
}

}  // namespace convox::runtime
