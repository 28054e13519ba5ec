// What may a container use, and which file of its cgroup says so?
//
// A limit is data until somebody writes it: `settings` turns limits into (file, value) pairs, `check_limits` compares
// them with what the host can do. What the user asked for is had, or is an error; defaults apply where they can.
// Nothing here makes a system call. Kernel: Documentation/admin-guide/cgroup-v2.rst, "Controllers". Read next:
// cgroup.h, which writes the pairs.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cgroups/hierarchy.h"

namespace convox::cgroups {

// `quota` microseconds of processor time in each `period`.
struct CpuMax {
  std::uint64_t quota = 0;
  std::uint64_t period = 100'000;
  bool operator==(const CpuMax&) const = default;
};

// In the kernel's own units; the conversions below make them from a user's. Absent: the kernel's default, no limit.
struct Limits {
  std::optional<std::uint64_t> cpu_weight = {};       // 1 to 10000, a share of what is contended
  std::optional<CpuMax> cpu_max = {};                 // never more than this
  std::optional<std::uint64_t> memory_low = {};       // bytes that reclaim leaves alone while others have more
  std::optional<std::uint64_t> memory_max = {};       // bytes; beyond them the OOM killer comes
  std::optional<std::uint64_t> memory_swap_max = {};  // bytes of swap; 0 wherever memory_max is set and this is not
  std::optional<std::uint64_t> pids_max = {};         // processes and threads
  std::optional<std::uint64_t> io_weight = {};        // 1 to 10000
  std::string cpuset_cpus = {};                       // "0-2,7"; empty: all
  std::string cpuset_mems = {};                       // memory nodes
  bool delegated = false;                             // the container may make groups of its own, but not without end
};

// One value for one file of a cgroup.
struct Setting {
  std::string_view file;  // a literal, for instance "memory.max"
  std::string value;
  std::optional<Controller> controller;  // which the file belongs to; none for the core files (cgroup.*)
  bool operator==(const Setting&) const = default;
};

inline constexpr std::uint64_t kDefaultPids = 2048;
inline constexpr std::uint64_t kDefaultCpuWeight = 100;

// In the order in which they should be written. memory.max comes last: with a very small one a child that shares its
// parent's memory (CLONE_VM) is better let in first, or the OOM killer takes both.
std::vector<Setting> settings(const Limits& limits);
// The controllers that the settings of `limits` belong to.
Controllers needed(const Limits& limits);
// And those that count what a group uses, as far as the hierarchy has them: without its controller nobody can say how
// much memory a container has, limit or not.
Controllers needed(const Limits& limits, const Hierarchy& hierarchy);

// How a hierarchy gets a controller that it lacks. `version_1_name` is what the boot option calls it, or "all".
std::string remedy(const Hierarchy& hierarchy, std::string_view version_1_name);
// Fails if the hierarchy lacks one of these controllers, and says how to get it.
Result<> check_controllers(const std::vector<std::string>& needed, const Hierarchy& hierarchy);
// Fails if `asked` needs a controller that this hierarchy lacks, or if a value is one the kernel would refuse.
Result<> check_limits(const Limits& asked, const Hierarchy& hierarchy);
// `asked` with the defaults for what it leaves open: 2048 processes, weight 100, each where its controller is there.
Limits with_defaults(Limits asked, const Hierarchy& hierarchy);

// 1000 millicores are one processor. 1000 -> weight 100, the kernel's default; 250 -> 35.
std::uint64_t cpu_weight(std::uint64_t millicores);
// 1500 -> 150 ms of processor time in every 100 ms.
CpuMax cpu_max(std::uint64_t millicores);
inline constexpr std::uint64_t bytes_of_megabytes(std::uint64_t megabytes) { return megabytes << 20; }

}  // namespace convox::cgroups
