// What does a user see of networks: subnets, addresses, ports?
#pragma once
#include <optional>
#include <string>

#include "runtime/base/json.h"
#include "runtime/networks/store.h"

namespace convox::cli {

// "10.211.4.0/22", "fd12:3456:789a:1::/64"
std::string subnet4(const networks::Network& network);
std::string subnet6(const networks::Network& network, const std::optional<networks::Address6>& prefix);

// The members "address", "address6" (null without IPv6) and "mac" of an object.
void put_addresses(json::PrettyWriter& writer, const networks::Place& place, const std::string& id,
                   const std::optional<networks::Address6>& prefix);
// An object: protocol, address, host, container, allow.
void put_port(json::PrettyWriter& writer, const networks::Published& port);

}  // namespace convox::cli
