// Which ports of the host lead to which containers, and who may have one?
#include <arpa/inet.h>
#include <asm-generic/socket.h>
#include <fcntl.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>

#include "runtime/base/fs.h"
#include "runtime/base/words.h"
#include "runtime/networks/store.h"
#include "runtime/networks/store_links.h"

namespace convox::networks {
namespace {

constexpr std::size_t kLargestAllow = 64 * 1024;

std::string directory_of(const std::string& port) { return cat("ports/", port); }

bool is_address(const std::string& text) {
  in_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}

std::optional<std::uint16_t> port_number(std::string_view text) {
  const auto value = number(text);
  if (!value || *value < 1 || *value > 65535) return {};
  return static_cast<std::uint16_t>(*value);
}

// `tcp.8080`, `udp.53.127.0.0.1`
std::optional<Published> parse_name(std::string_view name) {
  Published port;
  port.protocol = cut(name, '.');
  const auto host = port_number(cut(name, '.'));
  port.address = name;
  if ((port.protocol != "tcp" && port.protocol != "udp") || !host) return {};
  if (!port.address.empty() && !is_address(port.address)) return {};
  port.host = *host;
  return port;
}

// What a user knows it by.
std::string words(const Published& port) {
  return cat(port.address, port.address.empty() ? "" : ":", port.host, "/", port.protocol);
}

bool overlap(const Published& one, const Published& other) {
  return one.protocol == other.protocol && one.host == other.host &&
         (one.address.empty() || other.address.empty() || one.address == other.address);
}

// A packet for a port of the host that we lead elsewhere never reaches a program of the host that listens there: that
// one would go on as if nothing were, and never hear of anybody again. So whether there is one is asked for the way it
// would find out about us, by bind(2).
Result<> ask_the_host(const Published& port) {
  const bool tcp = port.protocol == "tcp";
  const UniqueFd socket(
      TRY(check(sys::socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0), "socket", "")));
  // A connection that ended a minute ago is nobody who listens: ip(7), SO_REUSEADDR in socket(7). With UDP the option
  // would mean something else: that two may listen.
  const int yes = 1;
  if (tcp)
    TRY(check(sys::call("setsockopt", __NR_setsockopt, socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes),
              "setsockopt", "SO_REUSEADDR"));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port.host);
  if (!port.address.empty()) ::inet_pton(AF_INET, port.address.c_str(), &address.sin_addr);
  const long bound = sys::bind(socket.get(), &address, sizeof address);
  if (bound == -EADDRINUSE) return invalid(cat("port taken: ", words(port), " by a program of this host"));
  if (bound == -EADDRNOTAVAIL) return invalid(cat("publishing ", words(port), ": this host has no such address"));
  TRY(check(bound, "bind", words(port)));
  return ok();
}

Result<> check_free(const std::string& owner, const Published& port, const std::vector<Port>& all) {
  bool joins = false;
  for (const Port& other : all) {
    if (!overlap(port, other.published)) continue;
    if (other.owner != owner) return invalid(cat("port taken: ", words(port), " by ", other.owner));
    if (port.address != other.published.address) continue;
    if (port.container != other.published.container)
      return invalid(
          cat("port taken: ", words(port), " leads to port ", other.published.container, " of ", owner, " already"));
    joins = true;
  }
  return joins ? ok() : ask_the_host(port);
}

Result<> make_link(int directory, const char* name, const std::string& target) {
  const long made = sys::symlinkat(target.c_str(), directory, name);
  if (made != -EEXIST) TRY(check(made, "symlink", name));
  return ok();
}

// The owner last: without one it is half of a port, and nobody's.
Result<> serve(int ports, const std::string& id, const std::string& owner, const Lease& lease, const Published& port) {
  const UniqueFd own = TRY(fs::make_and_open_directory(ports, port_name(port), 0700));
  TRY(make_link(own.get(), "to", cat(port.container)));
  if (port.allow.empty()) {
    const long gone = sys::unlinkat(own.get(), "allow", 0);
    if (gone != -ENOENT) TRY(check(gone, "unlink", "allow"));
  } else {
    std::string lines;
    for (const std::string& range : port.allow) lines += cat(range, "\n");
    TRY(fs::replace(own.get(), "allow", lines, 0600, fs::Durable::kNo));
  }
  TRY(make_link(own.get(), id.c_str(), cat(lease.network, "/", lease.place.slot)));
  return make_link(own.get(), "owner", owner);
}

Result<bool> leads_to_or_is_half(int root, const std::string& name, const std::string& id) {
  const auto has = [&](const std::string& entry) -> Result<bool> {
    const long there = sys::faccessat2(root, cat(directory_of(name), "/", entry).c_str(), F_OK, AT_SYMLINK_NOFOLLOW);
    if (there != -ENOENT) TRY(check(there, "access", name));
    return there == 0;
  };
  if (TRY(has(id))) return true;
  return !TRY(has("owner"));
}

// Nothing if nobody serves it: half of a port, whose maker was killed.
Result<std::optional<Port>> read_port(int root, const std::string& name) {
  std::optional<Port> none;
  auto published = parse_name(name);
  if (!published) return none;
  const auto directory = fs::open_beneath(root, directory_of(name), O_RDONLY | O_DIRECTORY);
  if (!directory && directory.error().code == ENOENT) return none;
  if (!directory) return directory.error();
  Port port{*std::move(published), {}, {}};
  for (const std::string& entry : TRY(fs::list(directory->get()))) {
    if (entry == "allow") {
      const std::string lines = TRY(fs::read(directory->get(), entry, kLargestAllow));
      for (std::string_view rest = lines; !rest.empty();) port.published.allow.emplace_back(cut(rest, '\n'));
      continue;
    }
    if (entry.starts_with('.')) continue;  // of a command that was killed while it wrote `allow`
    const auto target = TRY(read_link(directory->get(), entry));
    if (!target) continue;
    if (entry == "owner") {
      port.owner = *target;
    } else if (entry == "to") {
      port.published.container = port_number(*target).value_or(0);
    } else if (auto lease = parse_place(*target)) {
      const auto subnet = TRY(subnet_of(root, lease->network));
      if (!subnet) continue;
      lease->place.subnet = *subnet;
      port.servers.push_back(std::move(*lease));
    }
  }
  if (port.servers.empty() || port.owner.empty() || port.published.container == 0) return none;
  std::ranges::sort(port.servers, {}, [](const Lease& lease) { return lease.place.slot; });
  return std::optional(std::move(port));
}

}  // namespace

std::string port_name(const Published& port) {
  return cat(port.protocol, ".", port.host, port.address.empty() ? "" : ".", port.address);
}

Result<bool> has_ports_to_clear(int root, const std::string& id) {
  for (const std::string& name : TRY(list_if_there(root, "ports")))
    if (TRY(leads_to_or_is_half(root, name, id))) return true;
  return false;
}

Result<std::vector<Port>> Store::ports() const {
  std::vector<Port> all;
  for (const std::string& name : TRY(list_if_there(root_.get(), "ports")))
    if (auto port = TRY(read_port(root_.get(), name))) all.push_back(std::move(*port));
  return all;
}

Result<> Store::publish(const std::string& id, const std::string& service, const Lease& lease,
                        const std::vector<Published>& wanted) const {
  if (wanted.empty()) return ok();
  const UniqueFd locked = TRY(lock());
  const std::vector<Port> all = TRY(ports());
  const std::string owner = cat(lease.network, "/", service);
  for (const Published& port : wanted) TRY(check_free(owner, port, all));
  const UniqueFd directory = TRY(fs::make_and_open_directory(root_.get(), "ports", 0700));
  for (const Published& port : wanted) {
    const bool joins =
        std::ranges::any_of(all, [&](const Port& other) { return port_name(other.published) == port_name(port); });
    if (!joins) TRY(fs::remove_tree(directory.get(), port_name(port)));  // half of one
    Result<> served = serve(directory.get(), id, owner, lease, port);
    if (!served) {
      static_cast<void>(unpublish(id));  // what stays goes with the container
      return std::move(served).error().under(cat("publishing ", words(port)));
    }
  }
  return ok();
}

// Of the last server's port the owner goes first: until all is gone it is seen to be half of one, and removed by
// whoever comes next.
Result<> Store::unpublish(const std::string& id) const {
  for (const std::string& name : TRY(list_if_there(root_.get(), "ports"))) {
    const std::string port = directory_of(name);
    if (!TRY(leads_to_or_is_half(root_.get(), name, id))) continue;
    const std::vector<std::string> entries = TRY(list_if_there(root_.get(), port));
    const bool owned = std::ranges::find(entries, "owner") != entries.end();
    const bool others = std::ranges::any_of(entries, [&](const std::string& entry) {
      return entry != id && entry != "owner" && entry != "to" && entry != "allow" && !entry.starts_with('.');
    });
    const std::string first = cat(port, "/", owned && others ? id : "owner");
    const long gone = sys::unlinkat(root_.get(), first.c_str(), 0);
    if (gone != -ENOENT) TRY(check(gone, "unlink", first));
    if (owned && others) continue;
    const UniqueFd all = TRY(fs::open_beneath(root_.get(), "ports", O_RDONLY | O_DIRECTORY));
    TRY(fs::remove_tree(all.get(), name));
  }
  return ok();
}

}  // namespace convox::networks
