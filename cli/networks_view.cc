#include "cli/networks_view.h"

namespace convox::cli {
namespace {

void put(json::PrettyWriter& writer, const char* key, const std::string& text) {
  writer.Key(key);
  writer.String(text);
}

}  // namespace

std::string subnet4(const networks::Network& network) {
  return cat(networks::text(networks::address4({network.subnet, 0})), "/", networks::kPrefix4);
}

std::string subnet6(const networks::Network& network, const std::optional<networks::Address6>& prefix) {
  if (!prefix) return {};
  return cat(networks::text(networks::address6(*prefix, {network.subnet, 0})), "/", networks::kPrefix6);
}

void put_addresses(json::PrettyWriter& writer, const networks::Place& place, const std::string& id,
                   const std::optional<networks::Address6>& prefix) {
  put(writer, "address", networks::text(networks::address4(place)));
  writer.Key("address6");
  if (prefix)
    writer.String(networks::text(networks::address6(*prefix, place)));
  else
    writer.Null();
  put(writer, "mac", networks::text(networks::hardware_address(id)));
}

void put_port(json::PrettyWriter& writer, const networks::Published& port) {
  writer.StartObject();
  put(writer, "protocol", port.protocol);
  put(writer, "address", port.address.empty() ? "0.0.0.0" : port.address);
  writer.Key("host");
  writer.Uint(port.host);
  writer.Key("container");
  writer.Uint(port.container);
  writer.Key("allow");
  writer.StartArray();
  for (const std::string& range : port.allow) writer.String(range);
  writer.EndArray();
  writer.EndObject();
}

}  // namespace convox::cli
