// How does an ordinary user get the rights to make a container?
//
// By a user namespace, in which one has them all: convox-oci puts itself into the one that config.json asks for, with a
// mount namespace beside it, whose mounts may then be copied. From there on it is root inside a user namespace, as it
// is where Podman has put it into one, and the container is born in that user namespace without being given it. What
// the caller has open stays open, its working directory too. Its own id is the container's root, so that what
// convox-oci writes remains the caller's: later verbs need no namespace but for `exec`. user_namespaces(7)
#pragma once
#include "runtime/base/result.h"
#include "runtime/oci/config.h"
#include "runtime/oci/state.h"

namespace convox::oci {

// Does nothing, and says false, for whoever can mount already, and where no user namespace is asked for. A range of ids
// is mapped by newuidmap and newgidmap, which know what /etc/subuid allows; one's own id needs nobody's help.
Result<bool> enter_own_user_namespace(const Config& config);

// The configuration as seen from there: the user namespace is ours already.
void inherit_user_namespace(Config& config);

// For an exec: that of the container's first process, if we have not the rights to join the others from outside it.
Result<bool> enter_user_namespace_of(const State& state, const UniqueFd& process);

}  // namespace convox::oci
