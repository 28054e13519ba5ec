// Which rules stand between containers, the host and the world?
//
// Two tables of our own, `inet convox` and `bridge convox`; ruleset.cc reads as `nft list ruleset` prints them. The
// rules are the same for any number of containers: what differs is in sets and maps, so that a container that comes or
// goes is a few elements, and not a rule.
#pragma once
#include "runtime/net/nft_batch.h"
#include "runtime/networks/addresses.h"

namespace convox::net {

extern const nft::Table kInet, kBridge;

// Links are ours by the beginning of their names, and not by being in a set of links: a link whose element is missing,
// because a command was killed or somebody flushed the set, would be one without a firewall. So a name is enough to be
// caught, and it is an element of a set that opens something.
inline constexpr std::string_view kBridges = "cx-", kLinks = "cx";

// Both tables without any element, in place of what is there. `about` is their comment; `prefix` the machine's, or
// nothing on a host without IPv6.
void add_tables(nft::Batch& batch, std::string_view about, const std::optional<networks::Address6>& prefix);
void delete_tables(nft::Batch& batch);  // whether they are there or not

// The chain of a port is reached through one of these maps: runtime/net/port_rules.h
inline constexpr const char *kPorts = "ports", *kPortsOnOneAddress = "ports_on";

// What may be sent within the network whose bridge this is.
void add_network(nft::Batch& batch, const std::string& bridge);
void delete_network(nft::Batch& batch, const std::string& bridge);

// As whom a container may send.
struct Sender {
  std::string link;  // the host's end of its pair
  networks::HardwareAddress hardware{};
  networks::Address4 address4{};
  std::optional<networks::Address6> address6;  // and its link-local one; nothing on a host without IPv6
};
void add_senders(nft::Batch& batch, const std::vector<Sender>& senders);
void delete_sender(nft::Batch& batch, const Sender& sender);

}  // namespace convox::net
