// Which networks are there, who is in them, and which ports of the host lead where?
//
//   RUN/net/lock                        flock: who makes or removes networks, changes ports or the firewall's rules
//   RUN/net/n/<network>/                flock: who changes its hosts
//   RUN/net/n/<network>/subnet          a link whose target is the number of its subnet
//   RUN/net/n/<network>/hosts           the names of all containers in it (names.h); every one of them sees this file
//   RUN/net/n/<network>/slots/<slot>    a link whose target is the id of the container there
//   RUN/net/ports/<port>/               a port of the host: `tcp.8080` on all addresses, `udp.53.127.0.0.1` on one
//     owner                             a link whose target is <network>/<service>, the only one that may join
//     to                                a link whose target is the port inside: the same for all who join
//     allow                             who may come from outside, one CIDR a line; not there: everybody
//     <id>                              a link whose target is <network>/<slot> of a container that serves it
//   RUN/c/<id>/net                      a link whose target is <network>/<slot>: what this container has to give back
//
// Leases are links because a link is made together with what it says, and by one at a time (symlink(2), EEXIST); so no
// lease is ever without its holder, and a killed command leaves nothing half done. The directory `slots` is a network's
// last part to come and the first to go: rmdir(2) fails if somebody is in it, and nobody can come in without it. The
// firewall's rules and the bridges are a function of these files (net/README.md): who finds them gone makes them again.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"
#include "runtime/networks/addresses.h"

namespace convox::networks {

// What was asked to be published. `address` is empty for all of the host's.
struct Published {
  std::string protocol = "tcp";  // or udp
  std::string address;           // an IPv4 address of the host, or nothing
  std::uint16_t host = 0, container = 0;
  std::vector<std::string> allow;  // CIDRs; empty: everybody

  bool operator==(const Published&) const = default;
};
std::string port_name(const Published& port);  // `tcp.8080`, `udp.53.127.0.0.1`

struct Lease {
  std::string network;
  Place place;
};

// A port of the host as the files say it.
struct Port {
  Published published;
  std::string owner;           // <network>/<service>
  std::vector<Lease> servers;  // in the order of their slots
};

struct Member {
  std::string id;
  std::uint32_t slot = 0;
};

struct Network {
  std::string name;
  std::uint32_t subnet = 0;
};

class Store {
 public:
  // `run` is CONVOX_RUN; RUN/net is made if it is missing, 0700.
  static Result<Store> open(const std::string& run);

  // The network `name`, made if it is not there. `is_free` says whether a subnet is one that the host has no route to.
  using IsFree = std::function<bool(std::uint32_t subnet)>;
  [[nodiscard]] Result<Network> ensure(const std::string& name, const IsFree& is_free) const;
  [[nodiscard]] Result<std::vector<Network>> list() const;  // by name
  [[nodiscard]] Result<std::optional<Network>> find(const std::string& name) const;
  [[nodiscard]] Result<std::vector<Member>> members(const std::string& network) const;  // by slot
  // Only one without members; false if it has some. Its bridge is not touched: `convox-net remove` goes first, for
  // whoever joins in between makes it again.
  [[nodiscard]] Result<bool> remove(const std::string& network) const;
  // Halves of networks, whose makers or removers were killed.
  [[nodiscard]] Result<> sweep() const;

  // A slot for container `id`; `directory` is RUN/c/<id>, where the lease is noted first. `names` are what others call
  // it, beside its id; `prefix` is the machine's, or nothing on a host without IPv6. ENOENT: somebody has removed the
  // network meanwhile, so `ensure` comes again.
  [[nodiscard]] Result<Lease> lease(int directory, const std::string& id, const Network& network,
                                    const std::vector<std::string>& names, const std::optional<Address6>& prefix) const;
  // What RUN/c/<id>/net says; nothing if the container is in no network, or was killed before it was.
  [[nodiscard]] Result<std::optional<Lease>> leased(int directory, const std::string& id) const;
  // Gives ports, names and slot back, last of all the note. May be repeated. What the kernel has of it is gone before
  // that (`convox-net detach`), or the next one with this slot would get it.
  [[nodiscard]] Result<> release(int directory, const std::string& id) const;

  // Claims ports for one service's process, all or none: `port taken` if another service has one, or a program of the
  // host (bind(2) says so). Takes the lock. Who may come from outside is what the last one said, as a newer release
  // may.
  [[nodiscard]] Result<> publish(const std::string& id, const std::string& service, const Lease& lease,
                                 const std::vector<Published>& ports) const;
  // Takes container `id` out of all ports; a port without servers goes, and so do halves of ports. The caller holds the
  // lock: `convox-net detach` does it in one with the rules, so that nobody makes rules anew of what is on its way out.
  [[nodiscard]] Result<> unpublish(const std::string& id) const;
  [[nodiscard]] Result<std::vector<Port>> ports() const;  // by name

  // The lock of networks, ports and rules, for as long as the descriptor lives.
  [[nodiscard]] Result<UniqueFd> lock() const;
  // RUN/net/n/<network>/hosts, to be mounted over a container's /etc/hosts.
  [[nodiscard]] Result<UniqueFd> hosts_file(const std::string& network) const;
  [[nodiscard]] const std::string& path() const { return path_; }  // RUN/net

 private:
  Store(std::string path, UniqueFd root) : path_(std::move(path)), root_(std::move(root)) {}
  [[nodiscard]] Result<UniqueFd> slots(const std::string& network) const;
  // For reading and writing, its network's directory locked by `locked`.
  struct Names {
    UniqueFd locked, file;
  };
  [[nodiscard]] Result<Names> names(const std::string& network) const;
  std::string path_;
  UniqueFd root_;
};

}  // namespace convox::networks
