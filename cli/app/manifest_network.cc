// How many of a service there are, and how the world reaches them: scale, ports, health, deployment.
#include <algorithm>
#include <charconv>

#include "cli/app/manifest_fields.h"
#include "cli/app/manifest_read.h"

namespace convox::app {
namespace {

std::optional<int> whole(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// "3", "1-3" or {min, max}.
Result<> read_count(const YamlNode& node, Scale& into) {
  const Error bad =
      invalid(cat("line ", node.line, ": invalid scale: ", node.is_text() ? node.text : node.type_name()));
  if (node.is_map()) {
    std::optional<int> min, max;
    for (const YamlEntry& entry : node.entries) {
      const auto number = whole(entry.value.text);
      if (!number || (entry.key != "min" && entry.key != "max")) return bad;
      (entry.key == "min" ? min : max) = number;
    }
    into.min = min.value_or(0);
    into.max = max.value_or(into.min);
    return ok();
  }
  const std::size_t dash = node.text.find('-', 1);
  const auto low = whole(std::string_view(node.text).substr(0, dash));
  const auto high = dash == std::string::npos ? low : whole(std::string_view(node.text).substr(dash + 1));
  if (!node.is_text() || !low || !high) return bad;
  into.min = *low;
  into.max = *high;
  return ok();
}

Result<> read_limit(Fields& fields, Scale& into) {
  TRY(fields.number("cpu", into.cpu_limit));
  return fields.number("memory", into.memory_limit);
}

Result<> read_scale_map(Fields& fields, Scale& into) {
  if (const YamlNode* count = fields.find("count")) TRY(read_count(*count, into));
  const bool has_min = fields.find("min"), has_max = fields.find("max");
  TRY(fields.number("min", into.min));
  TRY(fields.number("max", into.max));
  if (has_min && !has_max) into.max = std::max(into.min, into.max);
  if (has_max && !has_min) into.min = std::min(into.min, into.max);
  TRY(fields.map("limit", into, read_limit));
  // A limit alone is the request too.
  if (into.cpu_limit) into.cpu = into.cpu_limit;
  if (into.memory_limit) into.memory = into.memory_limit;
  TRY(fields.number("cpu", into.cpu));
  TRY(fields.number("memory", into.memory));
  fields.cloud_only({"targets", "autoscale", "keda", "vpa", "gpu"});
  if (into.cpu_limit && into.cpu_limit < into.cpu) return invalid("cpu limit can not be less cpu request");
  if (into.memory_limit && into.memory_limit < into.memory)
    return invalid("memory limit can not be less memory request");
  return ok();
}

Result<> read_scale(Fields& fields, Scale& into) {
  const YamlNode* node = fields.find("scale");
  if (!node) return ok();
  if (node->is_text()) return read_count(*node, into);
  if (node->is_map()) return fields.map("scale", into, read_scale_map);
  return invalid(cat("line ", node->line, ": unknown type for service scale: ", node->type_name()));
}

Result<> read_port_map(Fields& fields, Port& into) {
  if (const YamlNode* port = fields.find("port")) into.number = TRY(read_port_number(*port));
  TRY(fields.text("protocol", into.protocol));
  return fields.text("scheme", into.protocol);
}

// 3000, "https:3000" or {port, scheme}.
Result<> read_port(Fields& fields, Port& into) {
  const YamlNode* node = fields.find("port");
  if (!node) return ok();
  if (node->is_map()) {
    TRY(fields.map("port", into, read_port_map));
    if (!into.number) return invalid(cat("line ", node->line, ": could not parse port: ", node->type_name()));
  } else {
    YamlNode number = *node;
    if (const std::size_t colon = number.text.find(':'); colon != std::string::npos) {
      into.protocol = number.text.substr(0, colon);
      number.text.erase(0, colon + 1);
    }
    into.number = TRY(read_port_number(number));
  }
  if (into.protocol.empty()) into.protocol = "http";
  return ok();
}

// Each of 5000, "5000/udp" or {port, protocol}. One that repeats the main port is dropped.
Result<> read_ports(Fields& fields, const Port& main, std::vector<Port>& into) {
  const YamlNode* list = fields.find("ports");
  if (!list) return ok();
  if (!list->is_list()) return fields.wrong("ports", *list, "a list");
  for (const YamlNode& item : list->items) {
    Port port;
    port.protocol = "tcp";
    if (item.is_map()) {
      TRY(fields.inside("ports", item, port, read_port_map));
    } else {
      YamlNode number = item;
      if (const std::size_t slash = number.text.find('/'); slash != std::string::npos) {
        port.protocol = number.text.substr(slash + 1);
        number.text.erase(slash);
      }
      port.number = TRY(read_port_number(number));
    }
    if (!port.number || (port.protocol != "tcp" && port.protocol != "udp"))
      return fields.wrong("ports", item, "a port, tcp or udp,");
    if (port.number != main.number || port.protocol != "tcp") into.push_back(std::move(port));
  }
  return ok();
}

Result<> read_health_map(Fields& fields, Health& into) {
  TRY(fields.text("path", into.path));
  TRY(fields.number("interval", into.interval));
  into.grace = into.interval;
  into.timeout = into.interval - 1;
  TRY(fields.number("grace", into.grace));
  TRY(fields.number("timeout", into.timeout));
  TRY(fields.number("port", into.port));
  fields.cloud_only({"grpcService"});
  return fields.flag("disable", into.disable);
}

Result<> read_health(Fields& fields, Health& into) {
  const YamlNode* node = fields.find("health");
  return node && node->is_text() ? fields.text("health", into.path) : fields.map("health", into, read_health_map);
}

Result<> read_probe(Fields& fields, Probe& into) {
  TRY(fields.text("path", into.path));
  TRY(fields.number("tcpSocketPort", into.tcp_port));
  TRY(fields.number("grace", into.grace));
  TRY(fields.number("interval", into.interval));
  TRY(fields.number("timeout", into.timeout));
  TRY(fields.number("successThreshold", into.successes));
  TRY(fields.number("failureThreshold", into.failures));
  fields.cloud_only({"grpcService"});
  return ok();
}

// The timings of the startup probe default to those of liveness.
Result<> read_probes(Fields& fields, Service& into) {
  Probe probe;
  TRY(fields.map("liveness", probe, read_probe));
  if (!probe.path.empty() || probe.tcp_port) into.liveness = probe;
  probe.path.clear();
  probe.tcp_port = 0;
  TRY(fields.map("startupProbe", probe, read_probe));
  if (!probe.path.empty() || probe.tcp_port) into.startup = probe;
  return ok();
}

Result<> read_deployment(Fields& fields, Service& into) {
  TRY(fields.number("minimum", into.deployment_min));
  return fields.number("maximum", into.deployment_max);
}

Result<> read_tls(Fields& fields, Service& into) { return fields.flag("redirect", into.tls_redirect); }

}  // namespace

Result<int> read_port_number(const YamlNode& node) {
  if (!node.is_text()) return invalid(cat("line ", node.line, ": invalid port: ", node.type_name()));
  const auto number = whole(node.text);
  if (!number) return invalid(cat("line ", node.line, ": could not parse port: ", node.text));
  if (*number < 1 || *number > 65535) return invalid(cat("line ", node.line, ": invalid port: ", node.text));
  return *number;
}

// How many there are, and how the world reaches them.
Result<> read_network(Fields& fields, Service& into) {
  TRY(read_scale(fields, into.scale));
  TRY(read_port(fields, into.port));
  TRY(read_ports(fields, into.port, into.ports));
  TRY(read_health(fields, into.health));
  TRY(read_probes(fields, into));
  TRY(fields.flag("singleton", into.singleton));
  if (const YamlNode* agent = fields.find("agent"); agent && agent->is_map())
    return invalid("agent ports are now specified at the service level");
  TRY(fields.flag("agent", into.agent));
  if (into.singleton || into.agent) {  // never two at once: the old one goes first
    into.deployment_min = 0;
    into.deployment_max = 100;
  }
  TRY(fields.map("deployment", into, read_deployment));
  TRY(fields.flag("internal", into.internal));
  TRY(fields.flag("internalRouter", into.internal_router));
  TRY(fields.flag("sticky", into.sticky));
  TRY(fields.number("timeout", into.timeout));
  TRY(fields.map("tls", into, read_tls));
  TRY(fields.comma_list("whitelist", into.whitelist));
  return fields.comma_list("domain", into.domains);
}

}  // namespace convox::app
