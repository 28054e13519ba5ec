// Which rules are there? (For those who look after them; everybody else takes config.h.)
#pragma once
#include <optional>
#include <string_view>

#include "runtime/oci/config.h"

namespace convox::oci {

Result<> check_mounts(const Config& config);      // check_mounts.cc: mounts, masked and read-only paths, devices
Result<> check_namespaces(const Config& config);  // check_namespaces.cc: also what is only allowed in a certain one

// The namespace that the setting `net.ipv4.ip_forward` belongs to; nothing if it is the host's, or no name.
std::optional<Kind> kind_of_sysctl(std::string_view key);

// "/a/b": of the container or the host, without `..`.
bool is_clean_path(std::string_view path);
// "0-3,7": of processors or memory nodes.  cpuset(7), "List format"
bool is_list_of_numbers(std::string_view text);

}  // namespace convox::oci
