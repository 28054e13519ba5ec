// What does a LinuxResources document ask of a cgroup, and which files say so?
//
// The values are in the units of the specification (runtime-spec 1.3, config-linux.md, "Control groups"), which are
// those of cgroup v1; `settings` turns them into files of cgroup v2, one formula each. An absent value is left as it
// is, at the creation of a group and in an update alike. Nothing here makes a system call. Read next: device_filter.h.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cgroups/limits.h"
#include "runtime/base/result.h"

namespace convox::cgroups {

struct DeviceRule {
  bool allow = false;
  char type = 'a';                      // c, b, or a: all
  std::int64_t major = -1, minor = -1;  // -1: any
  bool read = true, write = true, make = true;
  bool operator==(const DeviceRule&) const = default;
};

struct DeviceWeight {
  std::int64_t major = 0, minor = 0;
  std::uint64_t weight = 0;
};
struct DeviceRate {
  std::int64_t major = 0, minor = 0;
  std::uint64_t rate = 0;  // 0: no limit
};
struct HugepageLimit {
  std::string size;  // "2MB"
  std::uint64_t limit = 0;
};
struct RdmaLimit {
  std::string device;
  std::optional<std::uint32_t> handles, objects;
};

struct Resources {
  // memory: bytes, -1 is no limit
  std::optional<std::int64_t> memory_limit, memory_reservation, memory_swap;
  bool disable_oom_killer = false;
  bool check_before_update = false;
  // cpu
  std::optional<std::uint64_t> cpu_shares, cpu_period, cpu_burst;  // period, burst: microseconds
  std::optional<std::int64_t> cpu_quota, cpu_idle;
  std::optional<std::int64_t> realtime_runtime, realtime_period;
  std::string cpus, mems;
  std::optional<std::int64_t> pids_limit;  // below 0: no limit
  // block I/O
  std::optional<std::uint64_t> io_weight, io_leaf_weight;
  std::vector<DeviceWeight> io_device_weights;
  std::vector<DeviceRate> read_bps, write_bps, read_iops, write_iops;
  std::vector<HugepageLimit> hugepages;
  std::vector<RdmaLimit> rdma;
  bool network = false;                                      // classID or priorities: cgroup v2 has neither
  std::vector<std::pair<std::string, std::string>> unified;  // file, value; sorted by file
  std::vector<DeviceRule> devices;
};

// A file and what is written into it, line by line if it has several. A file that may be missing where the kernel or
// the machine lacks the feature, and then says nothing that anybody asked for, is `optional`.
struct FileValue {
  std::string file;
  std::string value;
  bool optional = false;
  bool operator==(const FileValue&) const = default;
};

// In the order in which they should be written; memory.max last. `weights_by_bfq`: the hierarchy has io.bfq.weight. An
// error for what cgroup v2 cannot do (real-time groups, leaf weights, network classes) or what contradicts itself.
Result<std::vector<FileValue>> settings(const Resources& resources, bool weights_by_bfq);

// The controllers that the files need, as cgroup.controllers spells them: "cpu", "hugetlb", ... A file that may be
// missing needs none.
std::vector<std::string> controllers_of(const std::vector<FileValue>& settings);

// shares of cgroup v1 (2 to 262144) as a weight of v2 (1 to 10000), by the curve through (2, 1), (1024, 100) and
// (262144, 10000). 0 is no weight at all.
std::uint64_t weight_of_shares(std::uint64_t shares);

}  // namespace convox::cgroups
