// Which process does `exec` join, and may it?
//
// The namespaces of a container are those of its PID 1, and a pidfd is all that it takes to join them: setns(2). A pid
// in a record is but a number, which another process could have by now; so the pidfd is opened first, and then it is
// asked whether that process is the one that the record means.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "cgroups/cgroup.h"
#include "runtime/containers.h"

namespace convox::runtime {

struct ExecTarget {
  std::string id;
  UniqueFd pidfd;             // of the container's PID 1
  cgroups::Cgroup cgroup;     // the container's
  std::uint32_t root_id = 0;  // host id of its root
};

// Of a container that runs as its record says (check_running). Kind::kInvalid, in words, for one that is paused, is
// being stopped or has just ended: such a one takes no more commands.
Result<ExecTarget> open_target(const Containers& containers, const cgroups::Hierarchy& hierarchy, const Record& record,
                               const Namespaces& namespaces);

// Did it end meanwhile? Then that is the reason for whatever failed. A PID 1 that was killed ends when the last of its
// namespace has, so one that is asked for just after another may need a moment.  pid_namespaces(7)
bool has_ended(const ExecTarget& target, std::chrono::milliseconds patience = {});

}  // namespace convox::runtime
