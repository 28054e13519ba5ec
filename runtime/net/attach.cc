#include "runtime/net/attach.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <optional>

#include "runtime/base/fs.h"
#include "runtime/net/address.h"
#include "runtime/net/bridge.h"
#include "runtime/net/name_space.h"
#include "runtime/net/sysctl.h"
#include "runtime/networks/machine.h"

namespace convox::net {
namespace {

using namespace networks;

const std::string kContainerEnd = "eth0";

bool is_ours(const Link& link) { return link.kind == "veth" && has_mark(link.hardware, kPortMark); }

// The container's namespace, and the host's way to speak to it.
struct Inside {
  UniqueFd name_space;
  Netlink netlink;
  bool ipv6;
};

// Sysctls are those of the namespace that a thread is in, so this one goes there and comes back.
Result<Inside> prepare(const std::string& name_space, bool ipv6) {
  const UniqueFd home = TRY(open_network_namespace("/proc/self/ns/net"));
  UniqueFd target = TRY(open_network_namespace(name_space));
  TRY(check(sys::setns(target.get(), CLONE_NEWNET), "setns", name_space));
  const auto there = [&]() -> Result<Inside> {
    const bool six = ipv6 && TRY(has_ipv6());
    TRY(guard_container(six));
    Netlink netlink = TRY(Netlink::open());
    return Inside{std::move(target), std::move(netlink), six};
  };
  Result<Inside> inside = there();
  TRY(check(sys::setns(home.get(), CLONE_NEWNET), "setns", "the host's network namespace"));
  return inside;
}

// The host's end, once it is a port of the bridge.
Result<> settle_port(Netlink& host, const std::string& name, const HardwareAddress& container, bool ipv6) {
  TRY(confine_port(host, name, ipv6));
  TRY(raise(host, name));
  return add_hardware(host, TRY(find_link(host, name)), container);
}

Result<> settle_container(Inside& inside, Place place, const HardwareAddress& hardware,
                          const std::optional<Address6>& prefix) {
  const bool ipv6 = prefix && inside.ipv6;
  const Place bridge{place.subnet, kBridgeSlot};
  if (ipv6) TRY(no_own_addresses(inside.netlink, kContainerEnd));
  TRY(raise(inside.netlink, kContainerEnd));
  const Link link = TRY(find_link(inside.netlink, kContainerEnd));
  if (ipv6) {  // first, since the kernel joins the groups by which its neighbours ask for them a moment later
    TRY(add_address(inside.netlink, link, address6(*prefix, place)));
    TRY(add_address(inside.netlink, link, link_local(hardware)));
    TRY(add_default_route(inside.netlink, link, address6(*prefix, bridge)));
  }
  TRY(add_address(inside.netlink, link, address4(place)));
  return add_default_route(inside.netlink, link, address4(bridge));
}

// A link that gets its carrier drops what is sent until a work queue of the kernel has been there, and a packet that is
// dropped then is said again a second later. Who asks for the link has that done first (since 6.8:
// net/core/rtnetlink.c, rtnl_getlink). The peer's end was asked for already, when both were up; the port gives the
// bridge its carrier.
Result<> await_carrier(Netlink& host, const std::string& port, const Link& bridge) {
  TRY(find_link(host, port));
  TRY(find_link(host, bridge.index));
  return ok();
}

}  // namespace

Result<> attach(const Network& network, const Member& member, const std::string& name_space) {
  const std::optional<Address6> prefix = TRY(ipv6_prefix());
  const Place place{network.subnet, member.slot};
  Netlink host = TRY(Netlink::open());
  TRY(forward_packets(prefix.has_value()));
  const Link bridge = TRY(ensure_bridge(host, network, prefix));
  Inside inside = TRY(prepare(name_space, prefix.has_value()));

  Pair pair{link_name(member.id), kContainerEnd, port_hardware(member.slot), hardware_address(member.id), -1, bridge};
  pair.peer_namespace = inside.name_space.get();
  const Result<> added = add_pair(host, pair);
  if (!added && added.error().code == EEXIST) return Error(added.error()).under("a link of that name is there already");
  // Any other failure may be one of hearing the answer.
  Result<> settled = added;
  if (settled) settled = settle_port(host, pair.name, pair.peer_hardware, prefix.has_value());
  if (settled) settled = settle_container(inside, place, pair.peer_hardware, prefix);
  if (settled) settled = await_carrier(host, pair.name, bridge);
  if (settled) return ok();
  if (const Result<> undone = detach(member.id); !undone)
    return Error(settled.error()).under(cat("(and it could not be undone: ", undone.error().text, ")"));
  return settled;
}

Result<> detach(const std::string& id) {
  Netlink host = TRY(Netlink::open());
  const Result<Link> port = find_link(host, link_name(id));
  if (!port && port.error().code == ENODEV) return ok();
  if (!port) return Error(port.error());
  if (!is_ours(*port)) return ok();
  Result<> removed = remove(host, *port);  // and its peer with it
  if (!removed && removed.error().code != ENODEV) return removed;
  return ok();
}

Result<> repair(const Network& network, const std::vector<Member>& members) {
  const std::optional<Address6> prefix = TRY(ipv6_prefix());
  Netlink host = TRY(Netlink::open());
  TRY(forward_packets(prefix.has_value()));
  const Link bridge = TRY(ensure_bridge(host, network, prefix));
  for (const Member& member : members) {
    const Result<Link> port = find_link(host, link_name(member.id));
    if (!port && port.error().code == ENODEV) continue;
    if (!port) return Error(port.error());
    if (!is_ours(*port) || port->bridge == bridge.index) continue;
    TRY(connect(host, port->name, bridge));
    TRY(settle_port(host, port->name, hardware_address(member.id), prefix.has_value()));
  }
  return ok();
}

}  // namespace convox::net
