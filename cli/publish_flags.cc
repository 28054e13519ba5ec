#include "cli/publish_flags.h"

#include <arpa/inet.h>

#include <algorithm>

#include "cli/app/manifest_validate.h"
#include "runtime/base/words.h"

namespace convox::cli {
namespace {

using networks::Published;

Result<std::uint16_t> port_number(std::string_view text) {
  const auto value = number(text);
  if (!value || *value < 1 || *value > 65535)
    return invalid(cat("\"", text, "\" is no port, which is from 1 to 65535"));
  return static_cast<std::uint16_t>(*value);
}

std::uint16_t narrow(int number) { return static_cast<std::uint16_t>(number); }

std::string lowered(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

}  // namespace

Result<Published> parse_published(std::string_view text) {
  Published port;
  std::string_view rest = text;
  if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
    port.protocol = rest.substr(slash + 1);
    rest = rest.substr(0, slash);
    if (port.protocol != "tcp" && port.protocol != "udp") return invalid(cat("\"", port.protocol, "\": tcp or udp"));
  }
  const std::size_t last = rest.rfind(':');
  if (last == std::string_view::npos) return invalid("expected [IP:]HOST:CONTAINER[/udp]");
  port.container = TRY(port_number(rest.substr(last + 1)));
  rest = rest.substr(0, last);
  if (const std::size_t colon = rest.rfind(':'); colon != std::string_view::npos) {
    port.address = rest.substr(0, colon);
    rest = rest.substr(colon + 1);
    in_addr address{};
    if (::inet_pton(AF_INET, port.address.c_str(), &address) != 1)
      return invalid(cat("\"", port.address, "\" is no IPv4 address"));
    if (address.s_addr == INADDR_ANY) port.address.clear();
  }
  port.host = TRY(port_number(rest));
  return port;
}

Result<std::vector<Published>> ports_of(const app::Manifest& manifest, const app::Service& service) {
  for (const std::string& range : service.whitelist)
    if (!app::is_cidr(range)) return invalid(cat("whitelist ", range, " is not a valid cidr range"));
  std::vector<Published> all;
  const auto add = [&](Published port) {
    std::erase_if(all, [&](const Published& other) { return port_name(other) == port_name(port); });
    all.push_back(std::move(port));
  };
  for (const app::Port& port : service.ports)
    add({port.protocol, {}, narrow(port.number), narrow(port.number), service.whitelist});
  for (const app::Balancer& balancer : manifest.balancers)
    if (balancer.service == service.name)
      for (const app::BalancerPort& port : balancer.ports)
        add({lowered(port.protocol), {}, narrow(port.listen), narrow(port.target), balancer.whitelist});
  return all;
}

}  // namespace convox::cli
