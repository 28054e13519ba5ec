// `convox run --detach`: starts, says how it is called, and leaves it to its keeper.
#pragma once
#include "cli/command.h"
#include "cli/run_config.h"
#include "runtime/containers.h"

namespace convox::cli {

// Flags that mean something with --detach only are errors without it, and their values are checked before anything is
// made.
Result<> check_detached_flags(const Invocation& invocation);

// `layers` is the shared lock of the store. The result is 0, or with --wait the command's status.
Result<int> run_detached(const Invocation& invocation, const runtime::Containers& containers, UniqueFd layers,
                         const runtime::Host& host, const RunConfig& run);

extern const Command kAgain;  // internal: what a minder executes

}  // namespace convox::cli
