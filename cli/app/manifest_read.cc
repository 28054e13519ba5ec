#include "cli/app/manifest_read.h"

#include <algorithm>
#include <array>

#include "cli/app/manifest_fields.h"

namespace convox::app {
namespace {

constexpr std::array<std::string_view, 7> kReservedLabels = {"system",  "rack",    "app", "name",
                                                             "service", "release", "type"};

Result<> check_labels(const Pairs& labels) {
  for (const auto& [key, value] : labels)
    if (std::ranges::find(kReservedLabels, key) != kReservedLabels.end())
      return invalid(cat("reserved label key '", key, "' is not allowed"));
  return ok();
}

// Convox of old had six fields, and `?` where cron has `*`.
std::string five_fields(std::string_view schedule) {
  std::string made;
  int fields = 0;
  for (std::size_t at = 0; at < schedule.size() && fields < 5;) {
    const std::size_t begin = schedule.find_first_not_of(" \t", at);
    if (begin == schedule.npos) break;
    at = std::min(schedule.find_first_of(" \t", begin), schedule.size());
    const std::string_view field = schedule.substr(begin, at - begin);
    if (fields++) made += ' ';
    made += field == "?" ? "*" : field;
  }
  return made;
}

Result<> read_timer(Fields& fields, Timer& into) {
  std::string schedule, concurrency;
  TRY(fields.text("command", into.command));
  TRY(fields.text("schedule", schedule));
  TRY(fields.text("service", into.service));
  TRY(fields.number("parallelCount", into.parallel));
  TRY(fields.text("concurrency", concurrency));
  into.schedule = five_fields(schedule);
  std::ranges::transform(concurrency, concurrency.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (concurrency == "forbid")
    into.concurrency = Timer::Concurrency::kForbid;
  else if (concurrency == "replace")
    into.concurrency = Timer::Concurrency::kReplace;
  else if (!concurrency.empty() && concurrency != "allow")
    return fields.wrong("concurrency", *fields.find("concurrency"), "Allow, Forbid or Replace");
  fields.cloud_only({"annotations"});
  return ok();
}

// {port, protocol}
Result<> read_target(Fields& fields, BalancerPort& into) {
  TRY(fields.text("protocol", into.protocol));
  const YamlNode* port = fields.find("port");
  if (port) into.target = TRY(read_port_number(*port));
  return ok();
}

// The key of an entry is the port to listen on, its value the port behind it.
Result<> read_balancer_ports(Fields& fields, std::vector<BalancerPort>& into) {
  const YamlNode* ports = fields.find("ports");
  if (!ports) return ok();
  if (!ports->is_map()) return fields.wrong("ports", *ports, "a mapping");
  for (const YamlEntry& entry : ports->entries) {
    YamlNode listen;
    listen.kind = YamlNode::Kind::kScalar;
    listen.line = entry.line;
    listen.text = entry.key;
    BalancerPort& port = into.emplace_back();
    port.listen = TRY(read_port_number(listen));
    if (entry.value.is_map())
      TRY(fields.inside(cat("ports.", entry.key), entry.value, port, read_target));
    else
      port.target = TRY(read_port_number(entry.value));
    if (!port.target) return fields.wrong("ports", entry.value, "a port");
    if (port.protocol != "TCP" && port.protocol != "UDP") return fields.wrong("ports", entry.value, "TCP or UDP");
  }
  return ok();
}

Result<> read_balancer(Fields& fields, Balancer& into) {
  TRY(fields.text("service", into.service));
  TRY(fields.comma_list("whitelist", into.whitelist));
  TRY(read_balancer_ports(fields, into.ports));
  fields.cloud_only({"annotations"});
  return ok();
}

Result<> read_resource(Fields& fields, Resource& into) {
  TRY(fields.text("type", into.type));
  TRY(fields.text("image", into.image));
  return fields.pairs("options", into.options);
}

Result<> read_config(Fields& fields, Config& into) {
  TRY(fields.text("id", into.id));
  TRY(fields.text("name", into.name));
  return fields.text("value", into.value);
}

// What the app says goes for every service that does not say otherwise.
Result<> inherit(const Manifest& app, Service& service) {
  service.environment.insert(service.environment.begin(), app.environment.begin(), app.environment.end());
  TRY(check_labels(service.labels));
  for (const auto& label : app.labels)
    if (std::ranges::find(service.labels, label.first, &Pairs::value_type::first) == service.labels.end())
      service.labels.push_back(label);
  return ok();
}

}  // namespace

Result<Manifest> read_manifest(const YamlNode& root) {
  Manifest manifest;
  Fields fields = TRY(Fields::open(root, "", manifest.warnings));
  if (const YamlNode* list = fields.find("environment")) TRY(read_environment(*list, manifest.environment));
  TRY(fields.pairs("labels", manifest.labels));
  TRY(fields.pairs("params", manifest.params));
  TRY(fields.maps("configs", manifest.configs, read_config));
  TRY(fields.named("services", manifest.services, read_service));
  TRY(fields.named("timers", manifest.timers, read_timer));
  TRY(fields.named("balancers", manifest.balancers, read_balancer));
  TRY(fields.named("resources", manifest.resources, read_resource));
  fields.cloud_only({"appSettings", "budget"});
  fields.finish();
  TRY(check_labels(manifest.labels));
  for (Service& service : manifest.services) TRY(inherit(manifest, service));
  return manifest;
}

}  // namespace convox::app
