#include "runtime/net/bridge.h"

#include <cerrno>

#include "runtime/net/address.h"
#include "runtime/net/sysctl.h"

namespace convox::net {
namespace {

using namespace networks;

bool is_ours(const Link& link) { return link.kind == "bridge" && has_mark(link.hardware, kBridgeMark); }

Result<> unless_it_has(Result<> added) {
  if (!added && added.error().code != EEXIST) return added;
  return ok();
}

// Sysctls before it is up: from then on it would listen to its members. IPv6 addresses after: a link that is down takes
// them, but not the routes that belong to them.  net/ipv6/addrconf.c
Result<> set_up(Netlink& host, const Link& bridge, const Network& network, const std::optional<Address6>& prefix) {
  const Place place{network.subnet, kBridgeSlot};
  TRY(guard_bridge(bridge.name, prefix.has_value()));
  if (prefix) TRY(no_own_addresses(host, bridge.name));
  // Said, not only had from its making: else it follows the lowest of its ports, and is 1500 without any.
  const std::uint32_t mtu = TRY(uplink_mtu(host));
  TRY(set_mtu(host, bridge, mtu));
  TRY(raise(host, bridge.name));
  TRY(unless_it_has(add_address(host, bridge, address4(place))));
  if (prefix) {
    TRY(unless_it_has(add_address(host, bridge, address6(*prefix, place))));
    TRY(unless_it_has(add_address(host, bridge, link_local(bridge.hardware))));
  }
  return set_alias(host, bridge, cat("convox: network ", network.name));
}

}  // namespace

Result<Link> ensure_bridge(Netlink& host, const Network& network, const std::optional<Address6>& prefix) {
  const std::string name = bridge_name(network.name);
  const HardwareAddress hardware = bridge_hardware(network.subnet);
  constexpr int kAttempts = 10;  // others make and remove it meanwhile
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Result<Link> found = find_link(host, name);
    if (!found && found.error().code == ENODEV) {
      const Result<> added = add_bridge(host, name, hardware);
      if (!added && added.error().code != EEXIST) return Error(added.error());
      continue;
    }
    if (!found) return found;
    if (!is_ours(*found))
      return invalid(cat("the host has a link '", name, "' that is not ours"))
          .advise("remove or rename it, or give the app another name");
    if (found->hardware != hardware) {  // of a network of this name that is gone: this one has another subnet
      const Result<> removed = remove(host, *found);
      if (!removed && removed.error().code != ENODEV) return Error(removed.error());
      continue;
    }
    if (!found->alias.empty()) return found;
    const Result<> ready = set_up(host, *found, network, prefix);
    if (!ready && ready.error().code != ENODEV) return Error(ready.error());
  }
  return invalid(cat("the bridge ", name, " goes as soon as it is there"));
}

Result<> remove_bridge(const std::string& network) {
  Netlink host = TRY(Netlink::open());
  const Result<Link> bridge = find_link(host, bridge_name(network));
  if (!bridge && bridge.error().code == ENODEV) return ok();
  if (!bridge) return Error(bridge.error());
  if (!is_ours(*bridge)) return ok();
  Result<> removed = remove(host, *bridge);
  if (!removed && removed.error().code != ENODEV) return removed;
  return ok();
}

}  // namespace convox::net
