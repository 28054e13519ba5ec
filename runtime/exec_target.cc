#include "runtime/exec_target.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/base/fs.h"

namespace convox::runtime {
namespace {

// Is it frozen, or about to be? A child that is born there would stand still before it could say a word.
Result<bool> is_paused(const cgroups::Cgroup& group) {
  const std::string freeze = TRY(fs::read_once(group.fd(), "cgroup.freeze"));
  return freeze.starts_with('1');
}

// What a container shares with the host is what its launcher was in. If we are in another, a join of the rest would
// give the command a mixture that no container has.
Result<> check_shared(int pid, const char* kind) {
  struct stat theirs {
  }, ours{};
  const std::string path = cat("/proc/", pid, "/ns/", kind);
  TRY(check(sys::newfstatat(AT_FDCWD, path.c_str(), &theirs, 0), "stat", path));
  TRY(check(sys::newfstatat(AT_FDCWD, cat("/proc/self/ns/", kind).c_str(), &ours, 0), "stat", kind));
  if (theirs.st_ino == ours.st_ino) return ok();
  return invalid(cat("it shares the ", kind, " namespace of whoever started it, and that is not ours"));
}

Result<> check_all_shared(int pid, const Namespaces& own) {
  const struct {
    bool own;
    const char* kind;
  } kinds[] = {{own.user, "user"}, {own.network, "net"},   {own.ipc, "ipc"},
               {own.uts, "uts"},   {own.cgroup, "cgroup"}, {own.time, "time"}};
  for (const auto& [is_own, kind] : kinds)
    if (!is_own) TRY(check_shared(pid, kind));
  return ok();
}

}  // namespace

bool has_ended(const ExecTarget& target, std::chrono::milliseconds patience) {
  pollfd end{target.pidfd.get(), POLLIN, 0};
  timespec timeout{patience.count() / 1000, patience.count() % 1000 * 1'000'000};
  return sys::ppoll(&end, 1, &timeout) == 1;
}

Result<ExecTarget> open_target(const Containers& containers, const cgroups::Hierarchy& hierarchy, const Record& record,
                               const Namespaces& namespaces) {
  const std::string doing = cat("process ", record.id);
  const Error ended = invalid(cat(doing, " is not running (it has just ended)"));
  const UniqueFd directory = TRY(containers.directory(record.id), doing);
  if (sys::faccessat2(directory.get(), "stop", F_OK, 0) == 0) return invalid(cat(doing, " is being stopped"));
  Result<cgroups::Cgroup> group = cgroups::Cgroup::open(hierarchy, record.cgroup);
  if (!group) return group.error().kind == Error::Kind::kNotFound ? ended : std::move(group).error().under(doing);
  if (TRY(is_paused(*group), doing)) return invalid(cat(doing, " is paused"));

  const long pidfd = sys::pidfd_open(record.pid, 0);
  if (pidfd == -ESRCH) return ended;
  UniqueFd process(TRY(check(pidfd, "pidfd_open", cat(record.pid)), doing));
  // From here on the number cannot go to another process unnoticed. Is it this container's process that has it?
  const std::vector<int> pids = TRY(group->processes(), doing);
  if (std::find(pids.begin(), pids.end(), record.pid) == pids.end()) return ended;
  TRY(check_all_shared(record.pid, namespaces), doing);
  ExecTarget target{record.id, std::move(process), std::move(*group)};
  if (has_ended(target)) return ended;
  if (namespaces.user) target.root_id = TRY(containers.leased_ids(record.id), doing);
  return target;
}

}  // namespace convox::runtime
