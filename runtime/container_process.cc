#include "runtime/container_process.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>

#include "cgroups/cgroup.h"
#include "runtime/base/fs.h"

namespace convox::runtime {

bool ContainerProcess::has_ended() const {
  pollfd end{pidfd.get(), POLLIN, 0};
  timespec now{};
  return sys::ppoll(&end, 1, &now) != 0;
}

Result<ContainerProcess> open_process(const Listed& container, const cgroups::Hierarchy& hierarchy) {
  TRY(check_running(container));
  const Record& record = container.record;
  const auto ended = [&] { return invalid(cat("process ", record.id, " is not running (it has just ended)")); };
  ContainerProcess process;
  process.pid = record.pid;
  const long pidfd = sys::pidfd_open(record.pid, 0);
  if (pidfd == -ESRCH) return ended();
  process.pidfd = UniqueFd(TRY(check(pidfd, "pidfd_open", cat(record.pid))));
  auto proc = fs::open(cat("/proc/", record.pid), O_PATH | O_DIRECTORY);
  if (!proc && proc.error().code == ENOENT) return ended();
  process.proc = TRY(std::move(proc));
  // Both were opened by number. A process that is in the container's cgroup now and has not ended was there throughout.
  const auto group = cgroups::Cgroup::open(hierarchy, record.cgroup);
  if (!group) return group.error().kind == Error::Kind::kNotFound ? ended() : group.error();
  const std::vector<int> pids = TRY(group->processes());
  if (std::ranges::find(pids, record.pid) == pids.end() || process.has_ended()) return ended();
  return process;
}

}  // namespace convox::runtime
