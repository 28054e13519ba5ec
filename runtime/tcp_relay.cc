#include "runtime/tcp_relay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <list>

#include "runtime/base/fs.h"
#include "runtime/signals.h"
#include "runtime/stream.h"

namespace convox::runtime {
namespace {

// Two descriptors each: well below the usual limit of 1,024, so that accept(2) never fails for want of one, which poll
// would then report for ever. Who comes beyond them waits in the listener's queue.
constexpr std::size_t kMostConnections = 400;
constexpr int kWaiting = 128;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

Result<UniqueFd> tcp_socket() {
  return UniqueFd(TRY(check(sys::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket", "")));
}

class Connection {
 public:
  Connection(const RelayPort& port, UniqueFd outside, UniqueFd inside)
      : port_(port), outside_(std::move(outside)), inside_(std::move(inside)) {}

  [[nodiscard]] bool over() const { return over_; }

  // Two places of a poll: until it is connected only the inside one is looked at.
  void waits(pollfd* into) const {
    into[0] = connecting_ ? pollfd{inside_.get(), POLLOUT, 0} : inwards_.stream.waits();
    into[1] = connecting_ ? pollfd{-1, 0, 0} : outwards_.stream.waits();
  }

  void go_on(const pollfd* seen, const RelayEvents& events) {
    if (connecting_) {
      if (seen[0].revents) connect(events);
      return;
    }
    go_on(inwards_, seen[0]);
    go_on(outwards_, seen[1]);
    over_ = over_ || (!inwards_.stream.open() && !outwards_.stream.open());
  }

 private:
  struct Direction {
    Stream stream;
    int to = -1;
    bool told = false;  // its reader knows that no more comes
  };

  void connect(const RelayEvents& events) {
    int error = 0;
    unsigned size = sizeof error;
    const long asked = sys::getsockopt(inside_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (asked < 0 || error != 0) {
      const Errno why = asked < 0 ? Errno(asked) : Errno(-long{error});
      events.failed(os_error("connecting to", port_.to, why));
      over_ = true;
      return;
    }
    connecting_ = false;
    events.connected(port_);
    inwards_ = {Stream(StreamEnd(outside_.get()), StreamEnd(inside_.get())), inside_.get()};
    outwards_ = {Stream(StreamEnd(inside_.get()), StreamEnd(outside_.get())), outside_.get()};
  }

  // One side may have said all and still listen: the end of a direction is passed on, and the other one goes on. But
  // nobody is asked for more that the other side does not take.
  void go_on(Direction& direction, const pollfd& seen) {
    if (seen.revents) direction.stream.move();
    if (direction.stream.open() || direction.told) return;
    direction.told = true;
    sys::shutdown(direction.to, SHUT_WR);
    if (direction.stream.refused()) over_ = true;
  }

  const RelayPort& port_;
  UniqueFd outside_, inside_;
  bool connecting_ = true, over_ = false;
  Direction inwards_, outwards_;
};

void accept_one(const RelayPort& port, std::list<Connection>& connections, const RelayEvents& events) {
  const long accepted = sys::accept4(port.listener.get(), SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (accepted < 0) {  // it may have gone away again; what is wrong with one is not wrong with the next: accept(2)
    if (accepted != -EAGAIN && accepted != -ECONNABORTED && accepted != -EINTR)
      events.failed(os_error("accept", cat("port ", port.port), Errno(accepted)));
    return;
  }
  UniqueFd outside(accepted);
  auto inside = port.connect();
  if (inside)
    connections.emplace_back(port, std::move(outside), *std::move(inside));
  else
    events.failed(std::move(inside).error().under(cat("connecting to ", port.to)));
}

}  // namespace

Result<UniqueFd> connect_inside(const UniqueFd& pidfd, std::uint16_t port) {
  const UniqueFd own = TRY(fs::open("/proc/self/ns/net", O_RDONLY));
  TRY(check(sys::setns(pidfd.get(), CLONE_NEWNET), "setns", "the network of the process"));
  auto socket = tcp_socket();
  // Whoever cannot come back must not go on as if it had.
  TRY(check(sys::setns(own.get(), CLONE_NEWNET), "setns", "the network of this host"));
  if (!socket) return socket;
  const sockaddr_in address = loopback(port);
  const long connected = sys::connect(socket->get(), &address, sizeof address);
  if (connected != -EINPROGRESS) TRY(check(connected, "connect", ""));
  return socket;
}

Result<UniqueFd> listen_on_loopback(std::uint16_t& port) {
  const std::string doing = cat("listening on 127.0.0.1:", port);
  UniqueFd listener = TRY(tcp_socket(), doing);
  const int yes =
      1;  // connections of an earlier listener, which have ended, may still hold the port: tcp(7), TIME_WAIT
  TRY(check(sys::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), "setsockopt", ""), doing);
  sockaddr_in address = loopback(port);
  TRY(check(sys::bind(listener.get(), &address, sizeof address), "bind", ""), doing);
  TRY(check(sys::listen(listener.get(), kWaiting), "listen", ""), doing);
  unsigned size = sizeof address;
  TRY(check(sys::getsockname(listener.get(), &address, &size), "getsockname", ""), doing);
  port = ntohs(address.sin_port);
  return listener;
}

Result<> relay(const std::vector<RelayPort>& ports, int signals, const RelayEvents& events) {
  std::list<Connection> connections;
  std::vector<pollfd> fds;
  for (;;) {
    fds.assign(1, {signals, POLLIN, 0});
    const bool full = connections.size() >= kMostConnections;
    for (const RelayPort& port : ports) fds.push_back({full ? -1 : port.listener.get(), POLLIN, 0});
    const std::size_t first = fds.size();
    fds.resize(first + 2 * connections.size());
    std::size_t at = first;
    for (const Connection& one : connections) {
      one.waits(&fds[at]);
      at += 2;
    }
    const long ready = sys::ppoll(fds.data(), static_cast<unsigned>(fds.size()), nullptr);
    if (ready == -EINTR) continue;
    TRY(check(ready, "ppoll", ""));
    if (fds[0].revents && asks_to_end(next_signal(signals))) return ok();
    at = first;
    for (Connection& one : connections) {
      one.go_on(&fds[at], events);
      at += 2;
    }
    std::erase_if(connections, [](const Connection& one) { return one.over(); });
    for (std::size_t i = 0; i < ports.size(); ++i)
      if (fds[1 + i].revents) accept_one(ports[i], connections, events);
  }
}

}  // namespace convox::runtime
