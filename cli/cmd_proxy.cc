#include "cli/cmd_proxy.h"

#include <charconv>

#include "cli/containers_view.h"
#include "cli/output.h"
#include "runtime/base/words.h"
#include "runtime/container_process.h"
#include "runtime/signals.h"
#include "runtime/tcp_relay.h"

namespace convox::cli {
namespace {

struct Wish {
  std::uint16_t port = 0;  // of this host
  std::string host;        // a process or a service
  std::uint16_t target = 0;
};

Result<std::uint16_t> port_number(std::string_view text, std::string_view whole) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error == std::errc() && end == text.data() + text.size() && port > 0) return port;
  return invalid(cat("\"", whole, "\": \"", text, "\" is no port"));
}

// [PORT:]HOST:PORT
Result<Wish> parse_wish(std::string_view whole) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= whole.size();) {
    const std::size_t end = std::min(whole.find(':', at), whole.size());
    parts.push_back(whole.substr(at, end - at));
    at = end + 1;
  }
  if (parts.size() < 2 || parts.size() > 3 || parts[parts.size() - 2].empty())
    return invalid(cat("\"", whole, "\": not [port:]host:port"));
  Wish wish;
  wish.host = parts[parts.size() - 2];
  wish.target = TRY(port_number(parts.back(), whole));
  wish.port = wish.target;
  if (parts.size() == 3) wish.port = TRY(port_number(parts[0], whole));
  return wish;
}

// Looked up for each connection: a service is whichever process of it is the oldest now.
Result<UniqueFd> connect(const Containers& containers, const Invocation& invocation, const Wish& wish) {
  const runtime::Listed found = TRY(containers.find_or_service(invocation, wish.host));
  const runtime::ContainerProcess process = TRY(runtime::open_process(found, containers.host.cgroups));
  return runtime::connect_inside(process.pidfd, wish.target);
}

Result<int> proxy(const Invocation& invocation) {
  std::vector<Wish> wishes;
  for (const std::string& word : invocation.arguments) wishes.push_back(TRY(parse_wish(word)));
  const Containers containers = TRY(open_containers(invocation));
  for (const Wish& wish : wishes) {
    const runtime::Listed found = TRY(containers.find_or_service(invocation, wish.host));
    TRY(runtime::check_running(found));
  }
  const runtime::SignalWatch signals = TRY(runtime::SignalWatch::start());
  std::vector<runtime::RelayPort> ports;
  for (Wish& wish : wishes) {
    UniqueFd listener = TRY(runtime::listen_on_loopback(wish.port));
    const std::string to = cat(wish.host, ":", wish.target);
    TRY(print(cat("proxying localhost:", wish.port, " to ", to, "\n")));
    ports.push_back({std::move(listener), wish.port, to, [&] { return connect(containers, invocation, wish); }});
  }
  runtime::RelayEvents events;
  // Nobody who reads that has to be there for the connections to go on.
  events.connected = [](const runtime::RelayPort& port) { (void)print(cat("connect: ", port.port, "\n")); };
  events.failed = [](const Error& error) { print_error(error_line(error)); };
  TRY(runtime::relay(ports, signals.fd(), events));
  return 0;
}

constexpr Option kOptions[] = {kAppOption};

}  // namespace

const Command kProxy = {
    .name = "proxy",
    .arguments = "<[port:]host:port>...",
    .summary = "let a port of this host lead to one of a process",
    .description =
        "Listens on 127.0.0.1 and passes each connection on to what listens on that port inside. A\n"
        "host is a process or a service, which is its oldest process; whatever network it has. Ends\n"
        "with Ctrl-C.",
    .options = kOptions,
    .minimum = 1,
    .maximum = Command::kAny,
    .run = proxy};

}  // namespace convox::cli
