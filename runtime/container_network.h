// How does a container come into its network and out of it?
//
// The store says what it has there, convox-net makes it so in the kernel. In: an address is leased before there is a
// container, and convox-net makes the link while the rest of it is made. Out: first the kernel's part, then the lease;
// the other way round somebody could get the address while it still leads here.
#pragma once
#include <string>
#include <vector>

#include "runtime/base/process.h"
#include "runtime/container_config.h"

namespace convox::runtime {

// A call of convox-net, `convox-net <arguments>`.
Program network_helper(std::vector<std::string> arguments);
// What it said, if it failed.
Result<> judge(const Finished& finished);

// `run` is CONVOX_RUN, `directory` RUN/c/<id>.
Result<networks::Lease> join_network(const std::string& run, int directory, const ContainerConfig& config);
// Does nothing for one that is in none. May be repeated. After a failure the lease is still noted.
Result<> leave_network(const std::string& run, int directory, const std::string& id);

// Its bridge and rules, then its files. False: a container is in it.
Result<bool> remove_network(const networks::Store& store, const std::string& name);

// Which subnets of the pool no route of this host leads to, from the text of /proc/net/route.  proc_pid_net(5)
networks::Store::IsFree free_beside(std::string_view routes);

}  // namespace convox::runtime
