#include "cli/cmd_networks.h"

#include "cli/app_output.h"
#include "cli/containers_view.h"
#include "cli/networks_view.h"
#include "cli/output.h"
#include "cli/table.h"
#include "runtime/container_network.h"
#include "runtime/networks/machine.h"

namespace convox::cli {
namespace {

using networks::Network;
using networks::Store;

// What killed commands left is no member of anything.
Result<Store> open_after_reaping(const Invocation& invocation) {
  const Containers containers = TRY(open_containers(invocation));
  const auto reaped = TRY(containers.records.reap(containers.host.cgroups), "looking for what a killed convox left");
  if (reaped.error) warn(reaped.error->text);
  return Store::open(invocation.globals.run);
}

Result<Network> named(const Store& store, const std::string& name) {
  auto network = TRY(store.find(name));
  if (!network) return not_found(cat("no such network: ", name));
  return *std::move(network);
}

Result<int> list(const Invocation& invocation) {
  const Store store = TRY(open_after_reaping(invocation));
  const auto prefix = TRY(networks::ipv6_prefix());
  Table table{"NETWORK", "SUBNET", "IPV6", "BRIDGE", "PROCESSES"};
  for (const Network& network : TRY(store.list())) {
    const std::size_t members = TRY(store.members(network.name)).size();
    table.add(
        {network.name, subnet4(network), subnet6(network, prefix), networks::bridge_name(network.name), cat(members)});
  }
  TRY(print(table.text()));
  return 0;
}

// Of one that has just ended, the service is not known any more.
std::string service_of(const Containers& containers, const std::string& id) {
  const auto record = containers.records.peek(id);
  return record && *record ? (*record)->service : "";
}

Result<int> inspect(const Invocation& invocation) {
  const Containers containers = TRY(open_containers(invocation));
  const Store store = TRY(Store::open(invocation.globals.run));
  const Network network = TRY(named(store, invocation.arguments[0]));
  const auto prefix = TRY(networks::ipv6_prefix());
  json::Buffer buffer;
  json::PrettyWriter writer(buffer);
  writer.SetIndent(' ', 2);
  const auto put = [&](const char* key, const std::string& text) {
    writer.Key(key);
    writer.String(text);
  };
  writer.StartObject();
  put("name", network.name);
  put("bridge", networks::bridge_name(network.name));
  put("subnet", subnet4(network));
  put("subnet6", subnet6(network, prefix));
  put("gateway", networks::text(networks::address4({network.subnet, networks::kBridgeSlot})));
  writer.Key("processes");
  writer.StartArray();
  for (const networks::Member& member : TRY(store.members(network.name))) {
    writer.StartObject();
    put("id", member.id);
    put("service", service_of(containers, member.id));
    put_addresses(writer, {network.subnet, member.slot}, member.id, prefix);
    writer.EndObject();
  }
  writer.EndArray();
  writer.Key("ports");
  writer.StartArray();
  for (const networks::Port& port : TRY(store.ports()))
    if (port.servers.front().network == network.name) put_port(writer, port.published);
  writer.EndArray();
  writer.EndObject();
  TRY(print(cat(std::string_view(buffer.GetString(), buffer.GetSize()), "\n")));
  return 0;
}

Result<int> remove(const Invocation& invocation) {
  const Store store = TRY(open_after_reaping(invocation));
  for (const std::string& name : invocation.arguments) {
    TRY(named(store, name));
    if (TRY(runtime::remove_network(store, name))) continue;
    std::string ids;
    for (const networks::Member& member : TRY(store.members(name))) ids += cat(ids.empty() ? "" : ", ", member.id);
    return invalid(cat("network ", name, " has processes: ", ids)).advise("end them first");
  }
  return 0;
}

Result<int> gc(const Invocation& invocation) {
  const Store store = TRY(open_after_reaping(invocation));
  TRY(store.sweep());
  std::size_t removed = 0;
  for (const Network& network : TRY(store.list())) removed += TRY(runtime::remove_network(store, network.name));
  TRY(print(cat("Removed ", removed, removed == 1 ? " network\n" : " networks\n")));
  return 0;
}

}  // namespace

const Command kNetworks = {
    .name = "networks",
    .arguments = "",
    .summary = "list networks",
    .description = "Each app has a network, which comes with its first process. Apps do not reach each other.",
    .run = list,
};

const Command kNetworksInspect = {
    .name = "networks inspect",
    .arguments = "<app>",
    .summary = "tell everything about a network, as JSON",
    .minimum = 1,
    .maximum = 1,
    .run = inspect,
};

const Command kNetworksRemove = {
    .name = "networks rm",
    .arguments = "<app>...",
    .summary = "remove networks that no process is in",
    .description = "The network comes again with the app's next process, if it can with the same addresses.",
    .minimum = 1,
    .maximum = Command::kAny,
    .run = remove,
};

const Command kNetworksGc = {
    .name = "networks gc",
    .arguments = "",
    .summary = "remove all networks that no process is in",
    .run = gc,
};

}  // namespace convox::cli
