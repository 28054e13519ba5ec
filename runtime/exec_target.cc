#include "runtime/exec_target.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fs.h"

namespace convox::runtime {
namespace {

constexpr long kMoment = 100'000'000;  // nanoseconds

// Is it frozen, or about to be? A child that is born there would stand still before it could say a word.
Result<bool> is_paused(const cgroups::Cgroup& group) {
  const std::string freeze = TRY(fs::read_once(group.fd(), "cgroup.freeze"));
  return freeze.starts_with('1');
}

// What a container shares with the host is what its launcher was in. If we are in another, a join of the rest would
// give the command a mixture that no container has.
Result<> check_shared(const ContainerProcess& process, const std::string& kind) {
  struct stat theirs {
  }, ours{};
  const std::string path = cat("ns/", kind);
  TRY(check(sys::newfstatat(process.proc.get(), path.c_str(), &theirs, 0), "stat", path));
  TRY(check(sys::newfstatat(AT_FDCWD, cat("/proc/self/", path).c_str(), &ours, 0), "stat", path));
  if (theirs.st_ino == ours.st_ino) return ok();
  return invalid(cat("it shares the ", kind, " namespace of whoever started it, and that is not ours"));
}

Result<> check_all_shared(const ContainerProcess& process, const Namespaces& own) {
  const struct {
    bool own;
    const char* kind;
  } kinds[] = {{own.user, "user"}, {own.network, "net"},   {own.ipc, "ipc"},
               {own.uts, "uts"},   {own.cgroup, "cgroup"}, {own.time, "time"}};
  for (const auto& [is_own, kind] : kinds)
    if (!is_own) TRY(check_shared(process, kind));
  return ok();
}

Result<std::vector<stage::SetLimit>> limits_of(const ContainerProcess& process) {
  std::vector<stage::SetLimit> limits;
  for (unsigned resource = 0; resource < RLIM_NLIMITS; ++resource) {
    rlimit64 limit{};
    TRY(check(sys::prlimit64(process.pid, static_cast<int>(resource), nullptr, &limit), "prlimit", cat(resource)));
    limits.push_back({resource, limit.rlim_cur, limit.rlim_max});
  }
  if (process.has_ended()) return invalid("it has just ended");
  return limits;
}

}  // namespace

bool ends_in_a_moment(const ExecTarget& target) {
  pollfd end{target.process.pidfd.get(), POLLIN, 0};
  timespec moment{0, kMoment};
  return sys::ppoll(&end, 1, &moment) == 1;
}

Result<ExecTarget> open_target(const Containers& containers, const cgroups::Hierarchy& hierarchy,
                               const Listed& container, const Namespaces& own) {
  ContainerProcess process = TRY(open_process(container, hierarchy));
  const Record& record = container.record;
  const std::string doing = cat("process ", record.id);
  const UniqueFd directory = TRY(containers.directory(record.id), doing);
  if (sys::faccessat2(directory.get(), "stop", F_OK, 0) == 0) return invalid(cat(doing, " is being stopped"));
  cgroups::Cgroup group = TRY(cgroups::Cgroup::open(hierarchy, record.cgroup), doing);
  if (TRY(is_paused(group), doing)) return invalid(cat(doing, " is paused"));
  TRY(check_all_shared(process, own), doing);
  ExecTarget target{record.id, std::move(process), std::move(group), 0, {}};
  target.limits = TRY(limits_of(target.process), doing);
  if (own.user) target.root_id = TRY(containers.leased_ids(record.id), doing);
  return target;
}

}  // namespace convox::runtime
