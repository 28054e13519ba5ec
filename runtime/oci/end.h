// How are the processes of a container signalled, stopped, frozen and, with everything that it owns, removed?
//
// No sleeping: pidfd, cgroup.kill, and POLLPRI on cgroup.events say when something has happened. `dispose` works from
// any phase, with a damaged record too, and may be repeated or run twice at once.
#pragma once
#include <optional>

#include "cgroups/cgroup.h"
#include "runtime/oci/state.h"

namespace convox::oci {

// To the first process; SIGKILL of a container that shares its PID namespace, and `all`, to the whole cgroup. kInvalid,
// `container not running`, if it has stopped.
Result<> kill(const State& state, Status status, int signal, bool all, const cgroups::Hierarchy& hierarchy);

Result<> pause(const State& state, const cgroups::Hierarchy& hierarchy);
Result<> resume(const State& state, const cgroups::Hierarchy& hierarchy);

// Returns when it goes on, however long that takes, or is gone.
Result<> await_resume(const State& state, const cgroups::Hierarchy& hierarchy);

// Kills what is left of it, waits for the end, removes its cgroup (and scope, and resctrl group), then its directory,
// and runs its poststop hooks. `state`: nothing if its record is damaged; then what the configuration beside it and the
// id say is removed. The value is why a hook failed, which changes nothing any more.
Result<std::optional<Error>> dispose(const States& states, const Claim& claim, const std::optional<State>& state,
                                     const cgroups::Hierarchy& hierarchy);

}  // namespace convox::oci
