// Which ports of the host shall lead to a container?
#pragma once
#include <string_view>
#include <vector>

#include "cli/app/manifest.h"
#include "runtime/networks/store.h"

namespace convox::cli {

// [IP:]HOST:CONTAINER[/tcp|/udp]
Result<networks::Published> parse_published(std::string_view text);

// What convox.yml says of a service: `ports`, under their own numbers, for whom its whitelist names; and the balancers
// that lead to it, each with a whitelist of its own, which win.
Result<std::vector<networks::Published>> ports_of(const app::Manifest& manifest, const app::Service& service);

}  // namespace convox::cli
