#include "cli/cmd_services.h"

#include <algorithm>

#include "cli/app/manifest.h"
#include "cli/app_output.h"
#include "cli/output.h"
#include "cli/table.h"

namespace convox::cli {
namespace {

// `port` and `ports` as the containers have them; nothing forwards them to the host yet.
std::string ports_of(const app::Service& service) {
  std::vector<std::string> ports;
  if (service.port.number != 0) ports.push_back(cat(service.port.number));
  for (const app::Port& port : service.ports)
    ports.push_back(port.protocol == "udp" ? cat(port.number, "/udp") : cat(port.number));
  return app::join(ports, " ");
}

Result<int> services(const Invocation& invocation) {
  const app::App app = TRY(find_app(invocation));
  const std::string active = TRY(app.active());
  if (active.empty()) return not_found(cat("no release for app: ", app.name()));
  const app::Release release = TRY(app.release(active));
  app::Manifest manifest = TRY(app::parse_manifest(release.manifest, release.environment));
  std::ranges::sort(manifest.services, {}, &app::Service::name);
  Table table{"SERVICE", "DOMAIN", "PORTS"};
  for (const app::Service& service : manifest.services)
    table.add({service.name, app::join(service.domains, " "), ports_of(service)});
  TRY(print(table.text()));
  return 0;
}

constexpr Option kAppOnly[] = {kAppOption};

}  // namespace

const Command kServices = {.name = "services",
                           .arguments = "",
                           .summary = "list services of the active release",
                           .options = kAppOnly,
                           .run = services};

}  // namespace convox::cli
