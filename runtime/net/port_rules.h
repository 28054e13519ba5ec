// Where does a port of the host lead?
//
// To a chain of its own, named after the port (`tcp.8080`), which a map of verdicts finds by protocol and port number.
// The chain says who may come, and then which of the processes behind the port gets the connection: the kernel counts,
// so they share evenly, and there is no proxy. A process that joins or leaves is the same chain with other rules.
#pragma once
#include <optional>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/net/nft_batch.h"
#include "runtime/networks/store.h"

namespace convox::net {

struct Server {
  networks::Address4 address4{};
  std::optional<networks::Address6> address6;
};

// The chain, its rules in place of those that are there, and the map's element.
Result<> set_port(nft::Batch& batch, const networks::Published& port, const std::vector<Server>& servers);
// The element and the chain, which must be there.
void delete_port(nft::Batch& batch, const networks::Published& port);

// The port whose chain has this name; nothing if it is the chain of none.
std::optional<networks::Published> port_of_chain(std::string_view chain);

// The addresses from first to last, of 4 or 16 bytes.
struct Range {
  nft::Bytes first, last;
};
// Of a CIDR, or of an address alone.
Result<Range> range(const std::string& cidr);
// In order, and none touches another: what overlaps is united, since the kernel refuses it in a set.
std::vector<Range> united(std::vector<Range> ranges);

}  // namespace convox::net
