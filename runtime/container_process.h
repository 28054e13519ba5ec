// Which process is a container's PID 1, and how does the host look at it?
//
// A record holds a number, and numbers are given out again. So the number is looked up once, the process held by
// descriptors, and only then is it asked whether it is the container's: after that no reuse can fool us (A12). What its
// files in /proc say was written by the kernel; what its root shows was written by the container.  pidfd_open(2)
#pragma once
#include "cgroups/hierarchy.h"
#include "runtime/base/unique_fd.h"
#include "runtime/container_list.h"

namespace convox::runtime {

struct ContainerProcess {
  int pid = 0;
  UniqueFd pidfd;
  UniqueFd proc;  // /proc/<pid> of this very process: once it has been reaped, nothing below it can be opened

  // What was asked by number (prlimit) is true of this process if it has not ended until afterwards.
  [[nodiscard]] bool has_ended() const;
};

// Fails as check_running does.
Result<ContainerProcess> open_process(const Listed& container, const cgroups::Hierarchy& hierarchy);

}  // namespace convox::runtime
