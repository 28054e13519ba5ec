// Where on this host is cgroup v2, and what can it control?
//
// One hierarchy of version 2 holds every process of the host. A controller (memory, pids, ...) serves either this
// hierarchy or one of version 1, never both. So three kinds of host exist:
//   unified   v2 at /sys/fs/cgroup with all controllers                          (systemd's default since 2021)
//   hybrid    v2 somewhere beside v1, which keeps the controllers: containers run, but their limits cannot be had
//   v1 only   no v2 at all: refused, because CLONE_INTO_CGROUP and cgroup.kill exist only there
// Man pages: cgroups(7), proc_pid_mountinfo(5); kernel: Documentation/admin-guide/cgroup-v2.rst. Read next: limits.h.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace convox::cgroups {

enum class Controller : std::uint8_t { kCpu, kMemory, kPids, kIo, kCpuset };
inline constexpr Controller kControllers[] = {Controller::kCpu, Controller::kMemory, Controller::kPids, Controller::kIo,
                                              Controller::kCpuset};
// As cgroup.controllers spells it: "cpu", "memory", "pids", "io", "cpuset".
std::string_view name(Controller controller);

// A set of the five controllers that convox uses; others (hugetlb, rdma, misc) go by their names.
struct Controllers {
  std::uint8_t bits = 0;
  [[nodiscard]] constexpr bool has(Controller one) const { return bits & (1U << static_cast<unsigned>(one)); }
  [[nodiscard]] constexpr bool has_all(Controllers others) const { return (bits & others.bits) == others.bits; }
  constexpr Controllers& add(Controller one) {
    bits = static_cast<std::uint8_t>(bits | (1U << static_cast<unsigned>(one)));
    return *this;
  }
  [[nodiscard]] constexpr bool empty() const { return bits == 0; }
  constexpr bool operator==(const Controllers&) const = default;
};

struct Hierarchy {
  std::string mount_point = {};  // of cgroup v2, for instance /sys/fs/cgroup
  Controllers controllers;       // those that a group below the root can have
  // The root that we see is not the host's: we are in a container, and processes live in its root. Then the root cannot
  // hand down more controllers than it does already.  cgroups(7), "no internal processes"
  bool occupied = false;
  std::string offered = {};  // the same controllers and those that convox has no use for, as the kernel lists them
  // No group of ours can have a controller: limits cannot be set.
  [[nodiscard]] bool uncontrolled() const { return controllers.empty(); }
};

// The words of a cgroup.controllers or cgroup.subtree_control file.
Controllers parse_controllers(std::string_view words);
bool has_word(std::string_view words, std::string_view word);
std::vector<std::string> names(Controllers controllers);

// The mount point of cgroup v2 in the text of a mountinfo file. An error where there is none: it tells a v1-only host
// from one that has not mounted any, and says how to mend it.
Result<std::string> find_mount_point(std::string_view mountinfo);

// Asks the kernel. Few system calls where cgroup2 is at one of its usual places; mountinfo, which is long on hosts with
// many containers, is read only where it is not.
Result<Hierarchy> read_hierarchy();

// The group of a process (its pid, or "self"), below the mount point; empty: in its root. An error if the mount does
// not show that group, because it shows a part of the hierarchy or the process stands outside of our cgroup namespace.
Result<std::string> group_of_process(const Hierarchy& hierarchy, std::string_view pid);
// The same by the kernel's text: /proc/PID/cgroup, and which directory of the hierarchy the mount shows at its root.
Result<std::string> parse_group(std::string_view proc_cgroup, std::string_view mount_root);
Result<std::string> find_mount_root(std::string_view mountinfo, std::string_view mount_point);

// Do groups weigh their block I/O by io.bfq.weight? Without the bfq scheduler there is io.weight. Looks at the groups
// below the root, for the root itself weighs nothing.
bool weighs_by_bfq(const Hierarchy& hierarchy);

}  // namespace convox::cgroups
