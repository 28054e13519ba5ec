// How do engines read what a container uses? As the `data` of an event of type `stats`, in the names that runc gave
// them.
//
// Those are the names of cgroup v1: what version 2 does not count is 0. Times of processors are nanoseconds.
#pragma once
#include "cgroups/counters.h"
#include "runtime/base/json.h"

namespace convox::oci {

// The members cpu, cpuset, memory, pids, blkio and hugetlb, into an object that the caller has opened and closes: what
// no cgroup counts (network_interfaces, intel_rdt) is the caller's.
void write_stats(json::Writer& writer, const cgroups::Counters& counters);

}  // namespace convox::oci
