// How does a user who is not root get the rights that it takes to make a container?
//
// By entering the container's user namespace before anything else, with a mount namespace that belongs to it: from
// there on everything is as for a caller who is root inside a user namespace.  user_namespaces(7)
#pragma once
#include "runtime/host.h"
#include "runtime/oci/config.h"

namespace convox::oci {

// Has this process no rights over mounts?
bool is_unprivileged(const runtime::Host& host);

// Enters the new user namespace that `config` asks for, as its root, and takes it off the list: it is ours by then. For
// a process with one thread. Each range of ids that is not the caller's own takes newuidmap and newgidmap.
Result<> enter_new_user_namespace(Config& config);

// The same with the user namespace of the process `pid`.
Result<> enter_user_namespace_of(int pid);

}  // namespace convox::oci
