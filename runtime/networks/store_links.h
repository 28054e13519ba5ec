// What do the files of the store have in common? Links that say one thing each, and directories that may not be there.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/networks/store.h"

namespace convox::networks {

// The target of a link; nothing if it is not there.
Result<std::optional<std::string>> read_link(int directory, const std::string& path);
// `<network>/<slot>`, without the subnet.
std::optional<Lease> parse_place(std::string_view text);
// Of a network that may be gone; `root` is RUN/net.
Result<std::optional<std::uint32_t>> subnet_of(int root, const std::string& network);
// Does some port lead to container `id`, or is half of one, whose maker or remover was stopped?
Result<bool> has_ports_to_clear(int root, const std::string& id);
// The names in a directory, none if it is not there.
Result<std::vector<std::string>> list_if_there(int root, const std::string& path);

}  // namespace convox::networks
