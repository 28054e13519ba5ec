#include "tests/support/network_lab.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/cat.h"
#include "tests/support/program.h"
#include "tests/support/wait.h"

namespace convox::test {
namespace {

void enter(const std::string& network) {
  if (network.empty()) return;
  const int file = ::open(network.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 || ::setns(file, CLONE_NEWNET) != 0) ::_exit(99);
  ::close(file);
}

std::string words(const sockaddr_in6& address) {
  char text[INET6_ADDRSTRLEN];
  ::inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof text);
  return strncmp(text, "::ffff:", 7) == 0 ? text + 7 : text;
}

int listening(int kind, int port) {
  const int on = 1, off = 0;
  bool six = true;
  int socket = ::socket(AF_INET6, kind | SOCK_CLOEXEC, 0);
  sockaddr_in6 any6{};
  any6.sin6_family = AF_INET6;
  any6.sin6_port = htons(static_cast<uint16_t>(port));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(static_cast<uint16_t>(port));
  if (socket < 0) {  // a host without IPv6
    six = false;
    socket = ::socket(AF_INET, kind | SOCK_CLOEXEC, 0);
  } else {
    ::setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr* address = six ? reinterpret_cast<sockaddr*>(&any6) : reinterpret_cast<sockaddr*>(&any);
  if (::bind(socket, address, six ? sizeof any6 : sizeof any) != 0) ::_exit(98);
  if (kind == SOCK_STREAM && ::listen(socket, 64) != 0) ::_exit(97);
  return socket;
}

[[noreturn]] void serve(const std::string& name, int ready) {
  pollfd sockets[2] = {{listening(SOCK_STREAM, 80), POLLIN, 0}, {listening(SOCK_DGRAM, 53), POLLIN, 0}};
  if (::write(ready, "", 1) != 1) ::_exit(96);
  for (;;) {
    if (::poll(sockets, 2, -1) < 0) continue;
    sockaddr_in6 from{};
    socklen_t size = sizeof from;
    if (sockets[0].revents) {
      const int asked = ::accept4(sockets[0].fd, reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC);
      const std::string answer = cat(name, " from ", words(from));
      if (asked >= 0 && ::send(asked, answer.data(), answer.size(), MSG_NOSIGNAL) >= 0) ::shutdown(asked, SHUT_WR);
      ::close(asked);
    }
    if (sockets[1].revents) {
      char question[64];
      if (::recvfrom(sockets[1].fd, question, sizeof question, 0, reinterpret_cast<sockaddr*>(&from), &size) < 0)
        continue;
      const std::string answer = cat(name, " from ", words(from));
      ::sendto(sockets[1].fd, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }
}

std::string ask(int kind, const std::string& address, int port, int milliseconds) {
  sockaddr_in four{};
  sockaddr_in6 six{};
  four.sin_family = AF_INET;
  six.sin6_family = AF_INET6;
  four.sin_port = six.sin6_port = htons(static_cast<uint16_t>(port));
  const bool is_four = ::inet_pton(AF_INET, address.c_str(), &four.sin_addr) == 1;
  if (!is_four && ::inet_pton(AF_INET6, address.c_str(), &six.sin6_addr) != 1) return "no address";
  const int socket = ::socket(is_four ? AF_INET : AF_INET6, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const auto* to = is_four ? reinterpret_cast<sockaddr*>(&four) : reinterpret_cast<sockaddr*>(&six);
  pollfd ready{socket, POLLOUT, 0};
  if (::connect(socket, to, is_four ? sizeof four : sizeof six) != 0 && errno != EINPROGRESS)
    return strerrorname_np(errno);
  if (::poll(&ready, 1, milliseconds) == 0) return "silence";
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return error == ECONNREFUSED ? "refused" : error == ETIMEDOUT ? "silence" : strerrorname_np(error);
  if (kind == SOCK_DGRAM && ::send(socket, "?", 1, 0) != 1) return strerrorname_np(errno);
  ready.events = POLLIN;
  if (::poll(&ready, 1, milliseconds) == 0) return "silence";
  char answer[128];
  const ssize_t got = ::recv(socket, answer, sizeof answer, 0);
  if (got < 0) return errno == ECONNREFUSED ? "refused" : strerrorname_np(errno);
  return std::string(answer, static_cast<size_t>(got));
}

}  // namespace

void become_a_host() {
  cr_assert(::unshare(CLONE_NEWNET) == 0, "no network namespace can be made");
  shell("ip link set lo up");
}

std::string shell(const std::string& line, const std::string& network) {
  const std::string entered = network.empty() ? line : cat("exec nsenter --net=", network, " sh -c '", line, "'");
  const Ran ran = run({.argv = {"/bin/sh", "-c", entered},
                       .input = {},
                       .environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"},
                       .directory = {}});
  cr_assert(ran.status == 0, "%s: %s", line.c_str(), ran.err.c_str());
  return ran.out;
}

Node::Node(const std::string& name) {
  int ready[2];
  cr_assert(::pipe2(ready, O_CLOEXEC) == 0);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::unshare(CLONE_NEWNET) != 0) ::_exit(95);
    serve(name, ready[1]);
  }
  ::close(ready[1]);
  char byte;
  cr_assert(::read(ready[0], &byte, 1) == 1, "node %s did not come up", name.c_str());
  ::close(ready[0]);
  shell("ip link set lo up", network());
}
Node::~Node() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}
std::string Node::network() const { return cat("/proc/", pid_, "/ns/net"); }

std::string inside(const std::string& network, const std::function<std::string()>& deed) {
  int ends[2];
  cr_assert(::pipe2(ends, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    enter(network);
    const std::string said = deed();
    ::_exit(::write(ends[1], said.data(), said.size()) == static_cast<ssize_t>(said.size()) ? 0 : 94);
  }
  ::close(ends[1]);
  std::string said;
  char buffer[4096];
  for (ssize_t got; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) said.append(buffer, static_cast<size_t>(got));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) return cat("ended with ", status);
  return said;
}

std::string ask_tcp(const std::string& network, const std::string& address, int port, int milliseconds) {
  return inside(network, [&] { return ask(SOCK_STREAM, address, port, milliseconds * slowness()); });
}
std::string ask_udp(const std::string& network, const std::string& address, int port, int milliseconds) {
  return inside(network, [&] { return ask(SOCK_DGRAM, address, port, milliseconds * slowness()); });
}

// A socket is of the namespace in which it was made, so a child makes it there and sends it here.
Wire::Wire(const std::string& network, const std::string& link) {
  int ends[2];
  cr_assert(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
  char byte = 0, room[CMSG_SPACE(sizeof(int))] = {};
  iovec part{&byte, 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = sizeof room;
  inside(network, [&] {
    const int made = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(link.c_str()));
    if (made < 0 || ::bind(made, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) ::_exit(93);
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &made, sizeof made);
    ::sendmsg(ends[1], &message, 0);
    return std::string();
  });
  cr_assert(::recvmsg(ends[0], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == 1, "no packet socket on %s", link.c_str());
  memcpy(&socket_, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof socket_);
  ::close(ends[0]);
  ::close(ends[1]);
}
Wire::~Wire() { ::close(socket_); }

void Wire::send(const std::string& frame) const {
  cr_assert(::send(socket_, frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size()), "%s",
            strerror(errno));
}

bool Wire::see(const std::string& mark, std::string* before) const {
  pollfd ready{socket_, POLLIN, 0};
  char frame[4096];
  while (::poll(&ready, 1, kSoon * slowness()) > 0) {
    const ssize_t got = ::recv(socket_, frame, sizeof frame, 0);
    if (got < 0) return false;
    const std::string seen(frame, static_cast<size_t>(got));
    if (seen.find(mark) != std::string::npos) return true;
    *before += seen;
  }
  return false;
}

}  // namespace convox::test
