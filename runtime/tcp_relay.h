// How does a connection to a port of the host become one inside a container's network?
//
// A socket belongs for ever to the network namespace in which it was made: socket(2) asks the calling task's. So this
// process enters the container's, makes a socket, comes back, and then stands in both networks at once, without a
// route, an address or a rule between them; whatever listens on the container's own 127.0.0.1 can be reached, too.
// Bytes are then copied in both directions.  network_namespaces(7), setns(2)
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::runtime {

// A socket of the namespaces of the process behind `pidfd` that is being connected to 127.0.0.1 and `port` there; it
// does not block.
Result<UniqueFd> connect_inside(const UniqueFd& pidfd, std::uint16_t port);

// Listens on 127.0.0.1 and `port`; 0: a free one, which `port` is then.
Result<UniqueFd> listen_on_loopback(std::uint16_t& port);

struct RelayPort {
  UniqueFd listener;
  std::uint16_t port = 0;                     // where the listener is
  std::string to;                             // what the user calls the other end
  std::function<Result<UniqueFd>()> connect;  // for each connection
};

struct RelayEvents {
  std::function<void(const RelayPort&)> connected;
  std::function<void(const Error&)> failed;  // of one connection; the others go on
};

// Serves until a signal that asks to end comes on `signals` (a SignalWatch).
Result<> relay(const std::vector<RelayPort>& ports, int signals, const RelayEvents& events);

}  // namespace convox::runtime
