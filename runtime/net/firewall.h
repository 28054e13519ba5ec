// What of the firewall changes when a container comes or goes?
//
// The rules are a function of the files below RUN/net (networks/store.h). Each of these takes the lock RUN/net/lock,
// reads the files, looks at what the kernel has, and changes that in one batch; so nobody's change is lost, and after
// `nft flush ruleset` the next one makes everything again. What the rules are: ruleset.h, port_rules.h; what is asked
// of other firewalls: foreign_chains.h.
#pragma once
#include <string>

#include "runtime/base/result.h"
#include "runtime/networks/store.h"

namespace convox::net {

// The container may send as who it is, and the ports lead to it that the files say it serves.
Result<> admit(const networks::Store& store, const networks::Lease& lease, const std::string& id);

// The opposite, while the files still have the lease; may be repeated. In one with that, under the same lock, it takes
// the container out of the files of its ports: else whoever changes such a port next would lead it there again.
Result<> dismiss(const networks::Store& store, const networks::Lease& lease, const std::string& id);

// Everything anew.
Result<> rebuild(const networks::Store& store);

// What is there of a network that goes, and with the last network everything.
Result<> forget(const networks::Store& store, const std::string& network);

}  // namespace convox::net
