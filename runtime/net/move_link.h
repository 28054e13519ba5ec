// How does a link of the host become a container's?
//
// A link is in one network namespace at a time. Moving it takes it down and takes its addresses away, so those that an
// administrator gave it (permanent, of global scope) are read before and given again there; what was learnt from the
// old network (DHCP, router advertisements) means nothing in the new one. config-linux.md, "Network Devices";
// rtnetlink(7), network_namespaces(7)
#pragma once
#include <string>
#include <vector>

#include "runtime/base/result.h"

namespace convox::net {

struct Move {
  std::string host_name, name;  // name: there; with `%d` the kernel finds the first number that is free
};

// Moves each link into the namespace that the file `name_space` is (/proc/PID/ns/net), all names checked first: a host
// name that does not exist, or a name that is taken there, is an error before anything was moved. This thread stays in
// the other namespace; its process is meant to end. Nothing is moved back.
Result<> move_links(const std::string& name_space, const std::vector<Move>& moves);

// May a link have this name: 1 to 15 bytes, not `.` or `..`, without `/`, `:` and white space; a `%` only in one `%d`,
// and that only if `pattern`?
bool is_link_name(std::string_view name, bool pattern);

}  // namespace convox::net
