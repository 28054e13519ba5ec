// How is a plan of `create`, `run` or `exec` performed?
//
// Step by step, as launch.h does it for convox. Every side effect is named by the state that the first step writes, so
// the answer to any failure is one call, `dispose` (end.h). Descriptors 0, 1 and 2 are the container's, unchanged; we
// neither write to them nor keep them. Read next: launch_steps.cc, launch_mounts.cc, launch_devices.cc, start.cc,
// hooks.h.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "cgroups/cgroup.h"
#include "runtime/oci/plan.h"
#include "runtime/oci/state.h"
#include "runtime/stage_child.h"

namespace convox::oci {

// Where things go that are not in the plan.
struct Outlets {
  std::string console_socket;  // gets the terminal's master; empty: none
  std::string pidfd_socket;    // gets a pidfd; empty: none
  std::string pid_file;
  std::string listener_path, listener_metadata;  // who gets the seccomp listener
};

// A container that was created or a process that runs.
struct Started {
  UniqueFd pidfd;
  int pid = -1;
  UniqueFd console;  // the terminal's master, if nobody else got it
};

// Performs a plan of plan_create. After an error the caller disposes of the claim. `trace` gets each step done.
// Returns once the container is at its gate, or without a gate once its payload runs. `state` is what was last written.
Result<Started> create(const Plan& plan, const States& states, const Claim& claim, const cgroups::Hierarchy& hierarchy,
                       const Outlets& outlets, State& state, int signals, runtime::StepDone trace);

// Opens the gate of a created container and waits until its payload runs: the errno of its execve is the error.
// kInvalid with `cannot start an already running container`, `cannot start a container that has stopped`. Runs
// poststart hooks.
Result<> start(const States& states, const Claim& claim, State& state, const Outlets& outlets);

// What is due once the payload runs: poststart hooks, of which a failing one kills it. `start` and `create` do it.
Result<> after_start(const Config& config, const State& state, const UniqueFd& process);

// Performs a plan of plan_exec beside the container's first process.
Result<Started> exec(const Plan& plan, const State& state, const UniqueFd& process, const cgroups::Hierarchy& hierarchy,
                     const Outlets& outlets, int signals, runtime::StepDone trace);

}  // namespace convox::oci
