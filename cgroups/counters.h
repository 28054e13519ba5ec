// What does a group count? All of it, for whoever draws curves of it: `convox-oci events`.
//
// stats.h answers single questions about a thousand groups; this reads a dozen files of one. A counter whose controller
// the group has not stays 0, a list empty. The parsers take text, so tests need no kernel.
// Kernel: Documentation/admin-guide/cgroup-v2.rst, "Controllers".
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cgroups/cgroup.h"
#include "cgroups/stats.h"
#include "runtime/base/result.h"

namespace convox::cgroups {

inline constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};  // "max"

struct CpuCounters {
  std::uint64_t total = 0, user = 0, kernel = 0;                         // nanoseconds
  std::uint64_t periods = 0, throttled_periods = 0, throttled_time = 0;  // of cpu.max; nanoseconds
  bool operator==(const CpuCounters&) const = default;
};
CpuCounters parse_cpu_stat(std::string_view cpu_stat);

// What is used, at most so far, and at most allowed; how often the limit was met.
struct Meter {
  std::uint64_t usage = 0, peak = 0, limit = 0, failures = 0;
  bool operator==(const Meter&) const = default;
};

using NamedCounters = std::vector<std::pair<std::string, std::uint64_t>>;
// The lines "key number", in the kernel's order.
NamedCounters parse_flat(std::string_view text);

struct BlockIo {
  std::uint64_t major = 0, minor = 0;
  std::string_view operation;  // a literal: "Read", "Write", "Discard"
  std::uint64_t value = 0;
  bool operator==(const BlockIo&) const = default;
};
struct BlockIoCounters {
  std::vector<BlockIo> bytes, operations;
};
BlockIoCounters parse_io_stat(std::string_view io_stat);

// "0-3,7" is 0 1 2 3 7. What is no such list has no numbers, nor has one beyond 65535.
std::vector<std::uint32_t> parse_list(std::string_view list);

struct Counters {
  CpuCounters cpu;
  Meter memory, swap, pids;
  NamedCounters memory_stat;
  BlockIoCounters io;
  std::vector<std::pair<std::string, Meter>> hugepages;  // by size: "2MB"
  std::vector<std::uint32_t> cpus, mems;                 // on which its processes run now
  std::optional<Pressure> cpu_pressure, memory_pressure, io_pressure;
};
Result<Counters> read_counters(const Cgroup& group);

}  // namespace convox::cgroups
