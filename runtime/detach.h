// How does a container go on without the command that started it?
//
//   convox run --detach     claims the id, forks, waits until the payload runs, says so, ends
//     `- launcher           a fork of it in convox/@keepers: performs the launch, then executes the keeper
//          `- payload       PID 1 of the container
//
// The launcher becomes the keeper by execve, so it stays the payload's parent, which alone may wait for it; and the
// claim, an flock, travels with the descriptor. With a restart policy, a network, or files to remove at the end,
// somebody has to act when the keeper has ended, with rights that a keeper has given up:
//
//   convox run --detach
//     `- minder             forks the launcher, then executes the same small program to sleep until it has ended;
//          `- launcher      then executes convox again, which decides: `after_end`
//               `- payload
//
// Read next: keeper/README.md.
#pragma once
#include <string>

#include "runtime/clone.h"
#include "runtime/containers.h"
#include "runtime/host.h"

namespace convox::runtime {

// All that a start takes, the first and every other.
struct Detached {
  const Containers& containers;
  const Host& host;
  const Claim& claim;
  ContainerConfig config;
  Record record;
};

// Starts it. Returns when the payload runs and a keeper has it: the keeper or, with a minder, that one, our child.
// After an error the caller disposes of the claim. `signals` is a signalfd: a signal that asks to end ends the start.
Result<Child> start_detached(Detached& what, int signals);

// Name of the command that a minder executes: `convox @again ID DESCRIPTOR`, the descriptor being the claim's.
inline constexpr const char* kAgain = "@again";

// What a minder's convox does, holding the claim of a container that has ended or whose back-off is over: records the
// end, then removes what has to go, or starts it again, or sleeps (it becomes the minder again, and does not return).
// The result is the container's status, and becomes the minder's own, for whoever waits.
Result<int> after_end(const Containers& containers, const Host& host, const Claim& claim, int signals);

}  // namespace convox::runtime
