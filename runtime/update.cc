#include "runtime/update.h"

#include <fcntl.h>

#include <algorithm>

#include "cgroups/cgroup.h"
#include "cgroups/stats.h"
#include "runtime/base/fs.h"
#include "runtime/base/lock.h"

namespace convox::runtime {
namespace {

// Undoes what it was told of, last first, unless everything went well.
class Restore {
 public:
  explicit Restore(const cgroups::Cgroup& group) : group_(group) {}
  Restore(const Restore&) = delete;
  ~Restore() {
    for (auto change = before_.rbegin(); change != before_.rend(); ++change)
      (void)fs::write_once(group_.fd(), change->first, change->second);
  }
  void add(std::string file, std::string value) { before_.emplace_back(std::move(file), std::move(value)); }
  void forget() { before_.clear(); }

 private:
  const cgroups::Cgroup& group_;
  std::vector<std::pair<std::string, std::string>> before_;
};

Result<> check_memory(const cgroups::Cgroup& group, const Host& host, std::uint64_t most) {
  const cgroups::Memory memory = TRY(cgroups::memory_usage(group, host.cgroups));
  if (memory.used <= most) return ok();
  constexpr std::uint64_t kKilobyte = 1024;
  return invalid(cat("a memory limit of ", most / kKilobyte, " KB is less than what it uses now, ",
                     memory.used / kKilobyte, " KB"));
}

}  // namespace

cgroups::Limits merged(cgroups::Limits before, const cgroups::Limits& changes) {
  const auto take = [](auto& into, const auto& from) {
    if (from) into = from;
  };
  take(before.cpu_weight, changes.cpu_weight);
  take(before.cpu_max, changes.cpu_max);
  take(before.memory_low, changes.memory_low);
  take(before.memory_max, changes.memory_max);
  take(before.memory_swap_max, changes.memory_swap_max);
  take(before.pids_max, changes.pids_max);
  take(before.io_weight, changes.io_weight);
  return before;
}

Result<> update_limits(const Containers& containers, const Host& host, const Record& record,
                       const cgroups::Limits& changes) {
  // One at a time: the second would put back what the first had written.
  const UniqueFd directory = TRY(containers.directory(record.id));
  const UniqueFd turn = TRY(fs::open_beneath(directory.get(), "update", O_RDWR | O_CREAT, 0600));
  TRY(lock(turn.get(), LockKind::kExclusive, cat("process ", record.id)));

  ContainerConfig config = TRY(containers.config(record.id));
  config.limits = merged(config.limits, changes);
  TRY(cgroups::check_limits(config.limits, host.cgroups));
  const cgroups::Cgroup group = TRY(cgroups::Cgroup::open(host.cgroups, record.cgroup));
  if (changes.memory_max) TRY(check_memory(group, host, *changes.memory_max));
  Restore restore(group);
  for (const cgroups::Setting& setting : cgroups::settings(changes)) {
    std::string before = TRY(fs::read_once(group.fd(), std::string(setting.file)), record.cgroup);
    TRY(group.set(setting));
    restore.add(std::string(setting.file), std::move(before));
  }
  TRY(containers.rewrite(record.id, config));
  restore.forget();
  return ok();
}

}  // namespace convox::runtime
