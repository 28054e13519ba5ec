// How are the limits of a running container changed?
//
// All of them or none: a file that the kernel will not have puts back those that were written before it. What is in
// force is also in config.json, so that `inspect` tells it and a restart begins with it. The kernel acts on a smaller
// memory.max at once and, where reclaim does not do, by killing; so a limit below what is in use is refused.
// Kernel: Documentation/admin-guide/cgroup-v2.rst, "memory.max".
#pragma once
#include "runtime/containers.h"
#include "runtime/host.h"

namespace convox::runtime {

// What `changes` leaves open stays as it is.
Result<> update_limits(const Containers& containers, const Host& host, const Record& record,
                       const cgroups::Limits& changes);

// `before`, with what `changes` says.
cgroups::Limits merged(cgroups::Limits before, const cgroups::Limits& changes);

}  // namespace convox::runtime
