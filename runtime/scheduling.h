// How much of the machine does a process get, and who dies first when memory runs out?
#pragma once
#include "runtime/base/result.h"

namespace convox::runtime {

// As low as we may go: lowering it takes CAP_SYS_RESOURCE, and without that we are as likely a victim as before. The
// payload gets its own score from reset_scheduling.
Result<> lower_own_oom_score();

// A nice or pinned caller must not shape the payload: niceness, policy, affinity, I/O priority and OOM score of `pid`
// become what they are after boot.
Result<> reset_scheduling(int pid);

}  // namespace convox::runtime
