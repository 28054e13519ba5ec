// What does `exec` join, and may it?
//
// The namespaces of a container are those of its PID 1, and a pidfd is all that it takes to join them: setns(2).
// container_process.h says how we know that it is the right one.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "cgroups/cgroup.h"
#include "runtime/container_process.h"
#include "runtime/containers.h"
#include "runtime/stage/plan.h"

namespace convox::runtime {

struct ExecTarget {
  std::string id;
  ContainerProcess process;             // the container's PID 1
  cgroups::Cgroup cgroup;               // the container's
  std::uint32_t root_id = 0;            // host id of its root
  std::vector<stage::SetLimit> limits;  // those of its PID 1
};

// `own` are the namespaces that the container has of its own. Kind::kInvalid, in words, for one that does not run, is
// paused, is being stopped or has just ended: such a one takes no more commands.
Result<ExecTarget> open_target(const Containers& containers, const cgroups::Hierarchy& hierarchy,
                               const Listed& container, const Namespaces& own);

// Did it end meanwhile? Then that is the reason for whatever failed. A PID 1 that was killed ends when the last of its
// namespace has, so one that is asked for just after another needs a moment.  pid_namespaces(7)
bool ends_in_a_moment(const ExecTarget& target);

}  // namespace convox::runtime
