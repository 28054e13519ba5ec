#include "cgroups/limits.h"

#include <algorithm>

#include "cgroups/resources.h"

namespace convox::cgroups {
namespace {

constexpr std::uint64_t kMaxWeight = 10'000;
constexpr std::uint64_t kMinQuota = 1'000;       // kernel/sched/core.c, min_cfs_quota_period
constexpr std::uint64_t kMaxPeriod = 1'000'000;  // max_cfs_quota_period

// What the user would call it.
std::string_view purpose(std::string_view file) {
  if (file.starts_with("cpu.")) return file == "cpu.max" ? "a cpu limit" : "a cpu request";
  if (file.starts_with("memory.")) return file == "memory.low" ? "a memory request" : "a memory limit";
  if (file.starts_with("pids.")) return "a limit of processes";
  if (file.starts_with("io.")) return "an io weight";
  return "a set of processors or memory nodes";
}

Result<> check_weight(std::string_view what, const std::optional<std::uint64_t>& weight) {
  if (weight && (*weight < 1 || *weight > kMaxWeight))
    return invalid(cat(what, " must be 1 to ", kMaxWeight, ", not ", *weight));
  return ok();
}

// "0-2,7": digits, commas and ranges. The kernel judges the rest (which processors exist).
Result<> check_list(std::string_view what, std::string_view list) {
  if (list.find_first_not_of("0123456789,-") != std::string_view::npos)
    return invalid(cat(what, ": ", list, ": must be a list such as 0-2,7"));
  return ok();
}

Result<> check_values(const Limits& limits) {
  TRY(check_weight("a cpu weight", limits.cpu_weight));
  TRY(check_weight("an io weight", limits.io_weight));
  if (limits.cpu_max &&
      (limits.cpu_max->quota < kMinQuota || limits.cpu_max->period < kMinQuota || limits.cpu_max->period > kMaxPeriod))
    return invalid(cat("cpu limit ", limits.cpu_max->quota, " of ", limits.cpu_max->period,
                       " microseconds: both must be at least 1000, the period at most 1000000"));
  if (limits.memory_max && *limits.memory_max == 0) return invalid("a memory limit must be more than 0");
  if (limits.memory_max && limits.memory_low && *limits.memory_max < *limits.memory_low)
    return invalid("memory limit can not be less memory request");
  if (limits.pids_max && *limits.pids_max == 0) return invalid("a limit of processes must be more than 0");
  TRY(check_list("processors", limits.cpuset_cpus));
  TRY(check_list("memory nodes", limits.cpuset_mems));
  return ok();
}

Error lacks(std::string_view who, std::string_view controller, const Hierarchy& hierarchy) {
  return invalid(cat(who, " needs the ", controller, " controller, which ", hierarchy.mount_point, " cannot give"))
      .advise(remedy(hierarchy, controller == "io" ? "blkio" : controller));
}

}  // namespace

std::vector<Setting> settings(const Limits& limits) {
  std::vector<Setting> list;
  auto put = [&](std::string_view file, std::string value, std::optional<Controller> controller) {
    list.push_back({file, std::move(value), controller});
  };
  auto put_number = [&](std::string_view file, const std::optional<std::uint64_t>& value, Controller controller) {
    if (value) put(file, cat(*value), controller);
  };
  if (!limits.cpuset_mems.empty()) put("cpuset.mems", limits.cpuset_mems, Controller::kCpuset);
  if (!limits.cpuset_cpus.empty()) put("cpuset.cpus", limits.cpuset_cpus, Controller::kCpuset);
  put_number("cpu.weight", limits.cpu_weight, Controller::kCpu);
  if (limits.cpu_max) put("cpu.max", cat(limits.cpu_max->quota, " ", limits.cpu_max->period), Controller::kCpu);
  put_number("io.weight", limits.io_weight, Controller::kIo);
  put_number("pids.max", limits.pids_max, Controller::kPids);
  // With a writable cgroup2 a container can mkdir without end, and every group pins kernel memory.
  if (limits.delegated) {
    put("cgroup.max.depth", "32", {});
    put("cgroup.max.descendants", "256", {});
  }
  put_number("memory.low", limits.memory_low, Controller::kMemory);
  // A memory limit also closes the way into swap: else what is over the limit goes there, and the host thrashes.
  auto swap = limits.memory_swap_max;
  if (limits.memory_max && !swap) swap = 0;
  put_number("memory.swap.max", swap, Controller::kMemory);
  put_number("memory.max", limits.memory_max, Controller::kMemory);
  return list;
}

Controllers needed(const Limits& limits) {
  Controllers all;
  for (const Setting& setting : settings(limits))
    if (setting.controller) all.add(*setting.controller);
  return all;
}

Controllers needed(const Limits& limits, const Hierarchy& hierarchy) {
  Controllers all = needed(limits);
  for (const Controller one : {Controller::kCpu, Controller::kMemory, Controller::kPids, Controller::kIo})
    if (hierarchy.controllers.has(one)) all.add(one);
  return all;
}

std::string remedy(const Hierarchy& hierarchy, std::string_view version_1_name) {
  if (hierarchy.occupied) return cat("move all processes of ", hierarchy.mount_point, "/cgroup.procs to a group below");
  return cat("boot with cgroup_no_v1=", version_1_name, " or systemd.unified_cgroup_hierarchy=1");
}

Result<> check_controllers(const std::vector<std::string>& needed, const Hierarchy& hierarchy) {
  for (const std::string& one : needed)
    if (!has_word(hierarchy.offered, one)) return lacks("this container", one, hierarchy);
  return ok();
}

Result<> check_limits(const Limits& asked, const Hierarchy& hierarchy) {
  TRY(check_values(asked));
  for (const Setting& setting : settings(asked))
    if (setting.controller && !hierarchy.controllers.has(*setting.controller))
      return lacks(purpose(setting.file), name(*setting.controller), hierarchy);
  return ok();
}

Limits with_defaults(Limits asked, const Hierarchy& hierarchy) {
  if (!asked.pids_max && hierarchy.controllers.has(Controller::kPids)) asked.pids_max = kDefaultPids;
  if (!asked.cpu_weight && hierarchy.controllers.has(Controller::kCpu)) asked.cpu_weight = kDefaultCpuWeight;
  return asked;
}

// Two steps, as every engine and Kubernetes make them, so that a manifest weighs the same here: millicores to shares of
// cgroup v1 (1000 are 1024), and shares to a weight.
std::uint64_t cpu_weight(std::uint64_t millicores) {
  constexpr std::uint64_t kMany = 1 << 20;  // the heaviest weight; also keeps the product from overflowing
  const std::uint64_t shares = std::min(millicores, kMany) * 1024 / 1000;
  return weight_of_shares(std::max<std::uint64_t>(shares, 1));
}

// The kernel refuses a quota below 1 ms: under 10 millicores only a longer period keeps the ratio.
CpuMax cpu_max(std::uint64_t millicores) {
  constexpr std::uint64_t kUsualPeriod = 100'000;
  const std::uint64_t period = millicores < 10 ? kMaxPeriod : kUsualPeriod;
  return {millicores * period / 1000, period};
}

}  // namespace convox::cgroups
