#include "cgroups/resources.h"

#include <algorithm>
#include <cmath>

namespace convox::cgroups {
namespace {

constexpr std::uint64_t kUsualPeriod = 100'000;                     // microseconds, the kernel's default
constexpr std::uint64_t kLeastIoWeight = 10, kMostIoWeight = 1000;  // of cgroup v1 and of the specification

// What the list is made with. `free` says that the value asks for nothing, so the file may as well be missing.
struct List {
  std::vector<FileValue> files;
  void put(std::string_view file, std::string value) { files.push_back({std::string(file), std::move(value), false}); }
  void put_free(std::string_view file, std::string value) {
    files.push_back({std::string(file), std::move(value), true});
  }
  // -1 is no limit.
  void put_limit(std::string_view file, std::int64_t value) {
    if (value < 0)
      put_free(file, "max");
    else
      put(file, cat(value));
  }
};

// What cgroup v2 has no file for, and what would be less than was asked for if it were ignored.
Result<> check_possible(const Resources& asked) {
  if (asked.disable_oom_killer) return invalid("memory.disableOOMKiller: cgroup v2 cannot switch the OOM killer off");
  if (asked.realtime_runtime.value_or(0) != 0 || asked.realtime_period.value_or(0) != 0)
    return invalid("cpu.realtimeRuntime, cpu.realtimePeriod: cgroup v2 has no real-time limits");
  if (asked.io_leaf_weight.value_or(0) != 0) return invalid("blockIO.leafWeight: cgroup v2 has none");
  if (asked.network) return invalid("network.classID, network.priorities: cgroup v2 has neither");
  for (const auto& limit : {asked.memory_limit, asked.memory_reservation, asked.memory_swap})
    if (limit.value_or(0) < -1) return invalid(cat("memory: ", *limit, " is neither bytes nor -1, no limit"));
  return ok();
}

void put_cpu(const Resources& asked, List& list) {
  if (!asked.mems.empty()) list.put("cpuset.mems", asked.mems);
  if (!asked.cpus.empty()) list.put("cpuset.cpus", asked.cpus);
  // An idle group has no weight: the kernel refuses to write one. So a group that ceases to be idle does so first.
  // kernel/sched/fair.c, sched_group_set_shares
  const bool idle = asked.cpu_idle.value_or(0) != 0;
  if (idle) list.put("cpu.idle", cat(*asked.cpu_idle));
  if (asked.cpu_idle && !idle) list.put_free("cpu.idle", "0");
  const std::uint64_t weight = weight_of_shares(asked.cpu_shares.value_or(0));
  if (weight != 0 && !idle) list.put("cpu.weight", cat(weight));

  // A burst above the quota is refused, and the old values count while the new ones come: from no burst every way leads
  // to the new pair.  kernel/sched/core.c, tg_set_cfs_bandwidth
  const bool quota = asked.cpu_quota || asked.cpu_period;
  const std::uint64_t burst = asked.cpu_burst.value_or(0);
  if (asked.cpu_burst && (quota || burst == 0)) list.put_free("cpu.max.burst", "0");
  if (quota) {
    std::uint64_t period = asked.cpu_period.value_or(0);
    if (period == 0) period = kUsualPeriod;
    const std::int64_t most = asked.cpu_quota.value_or(0);
    if (most > 0)
      list.put("cpu.max", cat(most, " ", period));
    else
      list.put_free("cpu.max", cat("max ", period));
  }
  if (burst != 0) list.put("cpu.max.burst", cat(burst));
}

// A weight of the specification in the words of the file that takes it: bfq's scale is that of cgroup v1, io.weight's
// is 1 to 10000.
Result<std::string> io_weight(std::uint64_t weight, bool by_bfq) {
  if (weight < kLeastIoWeight || weight > kMostIoWeight)
    return invalid(cat("blockIO: a weight is ", kLeastIoWeight, " to ", kMostIoWeight, ", not ", weight));
  return cat(by_bfq ? weight : 1 + (weight - kLeastIoWeight) * 9999 / (kMostIoWeight - kLeastIoWeight));
}

// The rates of one device stand in one line. 0 is no limit; a rate that is not named stays as it is.
void put_io_rates(const Resources& asked, List& list) {
  struct Line {
    std::int64_t major, minor;
    std::string rates;
    bool limited;
  };
  std::vector<Line> lines;
  const auto add = [&](const std::vector<DeviceRate>& rates, std::string_view key) {
    for (const DeviceRate& one : rates) {
      auto line = std::find_if(lines.begin(), lines.end(),
                               [&](const Line& it) { return it.major == one.major && it.minor == one.minor; });
      if (line == lines.end()) line = lines.insert(lines.end(), {one.major, one.minor, {}, false});
      line->rates += one.rate == 0 ? cat(" ", key, "=max") : cat(" ", key, "=", one.rate);
      line->limited |= one.rate != 0;
    }
  };
  add(asked.read_bps, "rbps");
  add(asked.write_bps, "wbps");
  add(asked.read_iops, "riops");
  add(asked.write_iops, "wiops");
  for (const Line& line : lines)
    list.files.push_back({"io.max", cat(line.major, ":", line.minor, line.rates), !line.limited});
}

Result<> put_io(const Resources& asked, bool by_bfq, List& list) {
  const std::string_view file = by_bfq ? "io.bfq.weight" : "io.weight";
  if (asked.io_weight.value_or(0) != 0) {
    const std::string weight = TRY(io_weight(*asked.io_weight, by_bfq));
    list.put(file, cat("default ", weight));
  }
  for (const DeviceWeight& one : asked.io_device_weights) {
    const std::string weight = TRY(io_weight(one.weight, by_bfq));
    list.put(file, cat(one.major, ":", one.minor, " ", weight));
  }
  put_io_rates(asked, list);
  return ok();
}

Result<> put_other(const Resources& asked, List& list) {
  if (asked.pids_limit) list.put_limit("pids.max", *asked.pids_limit);
  for (const HugepageLimit& one : asked.hugepages) {
    if (one.size.empty() || one.size.find_first_of("/.\n") != std::string::npos)
      return invalid(cat("hugepageLimits: ", one.size, " is no size of a page"));
    list.put(cat("hugetlb.", one.size, ".max"), cat(one.limit));
    // What is reserved by mmap and not touched yet counts only here; since Linux 5.7.
    list.put_free(cat("hugetlb.", one.size, ".rsvd.max"), cat(one.limit));
  }
  for (const RdmaLimit& one : asked.rdma) {
    if (!one.handles && !one.objects) return invalid(cat("rdma: ", one.device, ": no limit is given"));
    std::string line = one.device;
    if (one.handles) line += cat(" hca_handle=", *one.handles);
    if (one.objects) line += cat(" hca_object=", *one.objects);
    list.put("rdma.max", std::move(line));
  }
  return ok();
}

// memory.swap of the specification counts memory and swap together, as cgroup v1 did; the file counts swap alone. A
// kernel without a swap controller has no such file, and then uses none, or as much as it likes.
Result<> put_swap(const Resources& asked, List& list) {
  const std::int64_t limit = asked.memory_limit.value_or(0), both = asked.memory_swap.value_or(0);
  if (both == 0 && limit != -1) return ok();
  if (both == 0 || both == -1) {
    list.put_free("memory.swap.max", "max");
    return ok();
  }
  if (limit <= 0) return invalid("memory.swap: limits memory and swap together, so it needs memory.limit");
  if (both < limit) return invalid(cat("memory.swap: ", both, " bytes of memory and swap are less than memory.limit"));
  const std::int64_t swap = both - limit;
  list.files.push_back({"memory.swap.max", cat(swap), swap == 0});
  return ok();
}

Result<> check_unified(const std::vector<std::pair<std::string, std::string>>& unified) {
  for (const auto& [file, value] : unified) {
    const std::size_t dot = file.find('.');
    if (file.find('/') != std::string::npos || dot == std::string::npos || dot == 0)
      return invalid(cat("unified: ", file, " is no file of a cgroup"));
  }
  return ok();
}

}  // namespace

Result<std::vector<FileValue>> settings(const Resources& resources, bool weights_by_bfq) {
  TRY(check_possible(resources));
  TRY(check_unified(resources.unified));
  List list;
  put_cpu(resources, list);
  TRY(put_io(resources, weights_by_bfq, list));
  TRY(put_other(resources, list));
  if (const std::int64_t low = resources.memory_reservation.value_or(0); low != 0) list.put_limit("memory.low", low);
  TRY(put_swap(resources, list));
  // What is named by its file wins over what was computed; so it comes later, but for memory.max, which is the last.
  List last;
  if (const std::int64_t limit = resources.memory_limit.value_or(0); limit != 0) last.put_limit("memory.max", limit);
  for (const auto& [file, value] : resources.unified) {
    if (file == "memory.max") last.files.clear();
    (file == "memory.max" ? last : list).put(file, value);
  }
  std::move(last.files.begin(), last.files.end(), std::back_inserter(list.files));
  return std::move(list.files);
}

std::vector<std::string> controllers_of(const std::vector<FileValue>& settings) {
  std::vector<std::string> names;
  for (const FileValue& one : settings) {
    std::string name = one.file.substr(0, one.file.find('.'));
    if (one.optional || name == "cgroup") continue;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  }
  return names;
}

// opencontainers/cgroups, ConvertCPUSharesToCgroupV2Value. Before 2025 every engine drew a line from (2, 1) to
// (262144, 10000), which gave the default of 1024 shares weight 39 instead of the default weight.
std::uint64_t weight_of_shares(std::uint64_t shares) {
  constexpr std::uint64_t kMinShares = 2, kMaxShares = 262'144, kMaxWeight = 10'000;
  if (shares == 0) return 0;
  if (shares <= kMinShares) return 1;
  if (shares >= kMaxShares) return kMaxWeight;
  const double doublings = std::log2(static_cast<double>(shares));
  const double exponent = (doublings * doublings + 125 * doublings) / 612 - 7.0 / 34;
  return static_cast<std::uint64_t>(std::ceil(std::pow(10, exponent)));
}

}  // namespace convox::cgroups
