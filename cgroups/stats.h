// What has a container used, and did it die of it?
//
// Each question reads one or two files of the cgroup, so that a caller with a thousand containers pays only for what it
// asks. An absent value means: this host has not the controller. The parsers take text, so tests need no kernel.
// Kernel: Documentation/admin-guide/cgroup-v2.rst, "memory.stat"; Documentation/accounting/psi.rst.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cgroups/cgroup.h"
#include "runtime/base/result.h"

namespace convox::cgroups {

// "key value" lines: the value of `key`, if there is one.
std::optional<std::uint64_t> flat_value(std::string_view text, std::string_view key);

// Microseconds of processor time. Needs no controller: every cgroup counts it.
Result<std::uint64_t> cpu_usage(GroupFiles group);

struct Memory {
  std::uint64_t used = 0;            // bytes that are hard to give back
  std::optional<std::uint64_t> max;  // the limit, if any
};
// With the controller, if it was handed down to the group: memory.current without the page cache that nobody has
// touched lately (inactive_file), as every engine counts it. Without (hybrid hosts): the sum of the processes'
// proportional set sizes.
Result<Memory> memory_usage(GroupFiles group, const Hierarchy& hierarchy);

// Was it told to freeze? Then nothing in it runs, or will in a moment.
Result<bool> is_frozen(GroupFiles group);

// Processes and threads now.
Result<std::optional<std::uint64_t>> pids_current(GroupFiles group);

struct Io {
  std::uint64_t read = 0, written = 0;  // bytes, over all devices
};
Io parse_io(std::string_view io_stat);
Result<std::optional<Io>> io_usage(GroupFiles group);

// How long work waited for a resource: hundredths of a percent of the last 10, 60 and 300 seconds, and microseconds
// since the group was made.
struct Stall {
  std::uint32_t avg10 = 0, avg60 = 0, avg300 = 0;
  std::uint64_t total = 0;
  bool operator==(const Stall&) const = default;
};
// Some of the tasks waited, or all of them at once. Pressure stall information.
struct Pressure {
  Stall some, full;
};
std::optional<Pressure> parse_pressure(std::string_view text);
enum class Resource { kCpu, kMemory, kIo };
Result<std::optional<Pressure>> pressure(GroupFiles group, Resource resource);

// Deaths by the OOM killer in the group and below.
struct OomKills {
  std::uint64_t count = 0;
  bool at_own_limit = false;           // the group reached its limit; otherwise the host ran out of memory
  std::optional<std::uint64_t> limit;  // bytes
  explicit operator bool() const { return count > 0; }
};
OomKills parse_oom(std::string_view memory_events, std::string_view memory_max);
// To be asked after the last process is gone and before the group is removed. No controller: no kills are known.
Result<OomKills> oom_killed(GroupFiles group);
// "web was killed: out of memory (limit 16 MB)"
std::string describe(const OomKills& kills, std::string_view who);

}  // namespace convox::cgroups
