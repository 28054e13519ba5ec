#include "runtime/net/firewall.h"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "runtime/base/fs.h"
#include "runtime/net/conntrack.h"
#include "runtime/net/foreign_chains.h"
#include "runtime/net/nftables.h"
#include "runtime/net/port_rules.h"
#include "runtime/net/ruleset.h"
#include "runtime/networks/machine.h"

namespace convox::net {
namespace {

using namespace networks;
using nft::Batch;

// The tables' comment. Rules of another version of convox, or of another boot (somebody saved them with `nft list
// ruleset`, and the machine loaded them again), are not ours to build on: they are made anew.
constexpr int kVersion = 1;
Result<std::string> about() {
  const std::string boot = TRY(fs::read_once(AT_FDCWD, "/proc/sys/kernel/random/boot_id"));
  return cat("convox: do not edit; rules ", kVersion, ", boot ", boot.substr(0, 8));
}

// What the kernel has.
struct Seen {
  std::uint32_t generation = 0;
  bool any = false, whole = false;  // of our two tables
  std::vector<Published> ports;     // those that have a chain
  std::vector<ForeignChain> foreign;
};

Result<Seen> look(nft::Nftables& kernel, const std::string& about) {
  Seen seen;
  seen.generation = TRY(kernel.generation());
  int there = 0, right = 0;
  TRY(kernel.list(NFT_MSG_GETTABLE, NFPROTO_UNSPEC, {}, [&](const nlmsghdr& message) {
    nft::Table table{static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(&message))->nfgen_family, {}};
    bool says_so = false;
    nft::each_attribute(message, [&](std::uint16_t type, std::string_view value) {
      if (type == NFTA_TABLE_NAME) table.name = nft::text_of(value);
      if (type == NFTA_TABLE_USERDATA) says_so = nft::is_comment(value, about);
    });
    if (table != kInet && table != kBridge) return;
    ++there;
    if (says_so) ++right;
  }));
  seen.any = there > 0;
  seen.whole = right == 2;

  TRY(kernel.list(NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, {}, [&](const nlmsghdr& message) {
    if (auto foreign = foreign_chain(message)) seen.foreign.push_back(std::move(*foreign));
    nft::Table table{static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(&message))->nfgen_family, {}};
    std::string name;
    nft::each_attribute(message, [&](std::uint16_t type, std::string_view value) {
      if (type == NFTA_CHAIN_TABLE) table.name = nft::text_of(value);
      if (type == NFTA_CHAIN_NAME) name = nft::text_of(value);
    });
    if (table != kInet) return;
    if (auto port = port_of_chain(name)) seen.ports.push_back(std::move(*port));
  }));
  for (ForeignChain& chain : seen.foreign) TRY(find_our_rules(kernel, chain));
  return seen;
}

// Looks, lets `fill` say the change, and hands it over; again from the beginning if somebody else, Docker say, changed
// rules of theirs in between. The caller holds the lock.
template <class Fill>
Result<> change(Fill fill) {
  constexpr int kAttempts = 100;
  const std::string about = TRY(net::about());
  nft::Nftables kernel = TRY(nft::Nftables::open());
  for (int attempt = 1;; ++attempt) {
    Result<Seen> seen = look(kernel, about);
    if (!seen && seen.error().code == ERESTART && attempt < kAttempts) continue;
    if (!seen) return std::move(seen).error();
    Batch batch;
    TRY(fill(*seen, about, batch));
    Result<> committed = kernel.commit(batch, seen->generation);
    if (!committed && committed.error().code == ERESTART && attempt < kAttempts) continue;
    return committed;
  }
}

Sender sender(const std::string& id, Place place, const std::optional<Address6>& prefix) {
  Sender sender{link_name(id), hardware_address(id), address4(place), {}};
  if (prefix) sender.address6 = address6(*prefix, place);
  return sender;
}

std::vector<Server> servers(const Port& port, const std::optional<Address6>& prefix) {
  std::vector<Server> all;
  for (const Lease& lease : port.servers) {
    Server server{address4(lease.place), {}};
    if (prefix) server.address6 = address6(*prefix, lease.place);
    all.push_back(server);
  }
  return all;
}

bool same(const Lease& one, const Lease& other) {
  return one.network == other.network && one.place.slot == other.place.slot;
}
bool serves(const Port& port, const Lease& lease) {
  return std::ranges::any_of(port.servers, [&](const Lease& server) { return same(server, lease); });
}

// The files' networks, containers and ports, without any of those that are on their way out.
struct Wanted {
  std::vector<Network> networks;
  std::vector<Sender> senders;
  std::vector<Port> ports;
};

Result<Wanted> wanted(const Store& store, const std::optional<Address6>& prefix, const std::string& without_network,
                      const std::string& without_id) {
  Wanted wanted;
  for (Network& network : TRY(store.list())) {
    if (network.name == without_network) continue;
    for (const Member& member : TRY(store.members(network.name)))
      if (member.id != without_id) wanted.senders.push_back(sender(member.id, {network.subnet, member.slot}, prefix));
    wanted.networks.push_back(std::move(network));
  }
  wanted.ports = TRY(store.ports());
  return wanted;
}

Result<> add_everything(const Wanted& wanted, const std::optional<Address6>& prefix, const Seen& seen,
                        const std::string& about, Batch& batch) {
  add_tables(batch, about, prefix);
  for (const Network& network : wanted.networks) add_network(batch, bridge_name(network.name));
  add_senders(batch, wanted.senders);
  for (const Port& port : wanted.ports) TRY(set_port(batch, port.published, servers(port, prefix)));
  open_foreign_chains(batch, seen.foreign);
  return ok();
}

void remove_everything(const Seen& seen, Batch& batch) {
  leave_foreign_chains(batch, seen.foreign);
  if (seen.any) delete_tables(batch);
}

// Ports that have a chain and, by the files, no process.
void delete_other_ports(const Seen& seen, const std::vector<Port>& ports, Batch& batch) {
  std::set<std::string> names;
  for (const Port& port : ports) names.insert(port_name(port.published));
  for (const Published& port : seen.ports)
    if (!names.contains(port_name(port))) delete_port(batch, port);
}

// The files without `network`; with nothing left nothing stays.
Result<> rebuild_without(const Store& store, const std::string& network, const Seen& seen, const std::string& about,
                         Batch& batch) {
  const std::optional<Address6> prefix = TRY(ipv6_prefix());
  const Wanted all = TRY(wanted(store, prefix, network, {}));
  if (!all.networks.empty()) return add_everything(all, prefix, seen, about, batch);
  remove_everything(seen, batch);
  return ok();
}

Result<> forget_all(const Sender& container) {
  nft::Nftables kernel = TRY(nft::Nftables::open());
  TRY(forget_conversations(kernel, nft::Bytes(container.address4.begin(), container.address4.end())));
  if (!container.address6) return ok();
  return forget_conversations(kernel, nft::Bytes(container.address6->begin(), container.address6->end()));
}

}  // namespace

Result<> admit(const Store& store, const Lease& lease, const std::string& id) {
  const UniqueFd locked = TRY(store.lock());
  const std::optional<Address6> prefix = TRY(ipv6_prefix());
  return change([&](const Seen& seen, const std::string& about, Batch& batch) -> Result<> {
    if (!seen.whole) return rebuild_without(store, {}, seen, about, batch);
    add_network(batch, bridge_name(lease.network));
    add_senders(batch, {sender(id, lease.place, prefix)});
    for (const Port& port : TRY(store.ports()))
      if (serves(port, lease)) TRY(set_port(batch, port.published, servers(port, prefix)));
    open_foreign_chains(batch, seen.foreign);
    return ok();
  });
}

Result<> dismiss(const Store& store, const Lease& lease, const std::string& id) {
  const UniqueFd locked = TRY(store.lock());
  const std::optional<Address6> prefix = TRY(ipv6_prefix());
  std::vector<Port> ports = TRY(store.ports()), changed;
  bool conversations = false;
  for (Port& port : ports) {
    if (!serves(port, lease)) continue;
    conversations |= port.published.protocol == "udp";
    std::erase_if(port.servers, [&](const Lease& server) { return same(server, lease); });
    if (!port.servers.empty()) changed.push_back(port);
  }
  std::erase_if(ports, [](const Port& port) { return port.servers.empty(); });

  // First the kernel, then the files: killed between the two, a repetition finds what there is to do.
  Result<> gone = change([&](const Seen& seen, const std::string& about, Batch& batch) -> Result<> {
    if (!seen.any) return ok();
    if (!seen.whole) {
      Wanted rest = TRY(wanted(store, prefix, {}, id));
      rest.ports = ports;
      return add_everything(rest, prefix, seen, about, batch);
    }
    delete_sender(batch, sender(id, lease.place, prefix));
    for (const Port& port : changed) TRY(set_port(batch, port.published, servers(port, prefix)));
    delete_other_ports(seen, ports, batch);
    return ok();
  });
  TRY(std::move(gone));
  if (conversations) TRY(forget_all(sender(id, lease.place, prefix)));
  return store.unpublish(id);
}

Result<> rebuild(const Store& store) {
  const UniqueFd locked = TRY(store.lock());
  return change([&](const Seen& seen, const std::string& about, Batch& batch) {
    return rebuild_without(store, {}, seen, about, batch);
  });
}

Result<> forget(const Store& store, const std::string& network) {
  const UniqueFd locked = TRY(store.lock());
  const std::vector<Network> networks = TRY(store.list());
  const bool last = std::ranges::all_of(networks, [&](const Network& other) { return other.name == network; });
  return change([&](const Seen& seen, const std::string& about, Batch& batch) -> Result<> {
    if (last)
      remove_everything(seen, batch);
    else if (seen.whole)
      delete_network(batch, bridge_name(network));
    else if (seen.any)
      return rebuild_without(store, network, seen, about, batch);
    return ok();
  });
}

}  // namespace convox::net
