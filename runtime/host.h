// What is this host, as far as a launch depends on it?
//
// Facts, read once, before anything is decided. Host is plain data: whoever plans a launch takes it as an argument, and
// a test writes one by hand. It stands in the start path of every `run`, so it has only what a plan asks for; what only
// `convox doctor` wants to know is in doctor.h.
// Man pages: uname(2), capabilities(7), user_namespaces(7), proc_pid_status(5).
#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cgroups/hierarchy.h"
#include "runtime/base/result.h"

namespace convox::runtime {

struct KernelRelease {
  int major = 0, minor = 0;
  auto operator<=>(const KernelRelease&) const = default;
};

inline constexpr KernelRelease kOldestKernel{5, 14};     // cgroup.kill
inline constexpr KernelRelease kIdmappedOverlay{5, 19};  // idmapped mounts as layers of an overlay
inline constexpr KernelRelease kExecutableMemfd{6, 3};   // MFD_EXEC, F_SEAL_EXEC

struct Host {
  KernelRelease kernel;
  std::string kernel_release;  // "6.1.0-13-amd64", for people
  std::string machine;         // "x86_64"

  cgroups::Hierarchy cgroups;
  std::optional<Error> no_cgroups;  // why there is no cgroup v2 here

  bool own_proc = true;                      // /proc shows the PID namespace that we are in
  unsigned uid = 0;                          // effective, of this process
  std::uint64_t effective_capabilities = 0;  // bit sets, 1 << CAP_*
  std::uint64_t bounding_capabilities = 0;
  bool seccomp_filters = false;

  bool initial_user_namespace = true;     // we are not in a container's ourselves
  std::uint64_t max_user_namespaces = 0;  // 0: an administrator has forbidden them, or the kernel has none
  [[nodiscard]] bool user_namespaces() const { return max_user_namespaces > 0; }
  [[nodiscard]] bool idmapped_layers() const { return kernel >= kIdmappedOverlay; }
  [[nodiscard]] bool executable_memfd_flag() const { return kernel >= kExecutableMemfd; }

  bool overlay = false;
  unsigned possible_cpus = 1;      // cpu0 .. cpuN-1 may come up; /sys/devices/system/cpu has one directory for each
  std::uint64_t memory_total = 0;  // bytes
  std::uint64_t nofile_hard = 0;   // RLIMIT_NOFILE, hard, of this process
};

Result<Host> read_host();

// What makes `run` impossible here, most fundamental first; ok if nothing does.
Result<> check_host(const Host& host);

// We are not in a container's ourselves, for all that we can tell.
bool in_initial_user_namespace();

// The UUID of this boot: a record with another one describes processes that are gone.
Result<std::string> read_boot_id();

// Parsers over the kernel's text, for tests.
KernelRelease parse_release(std::string_view release);   // "6.1.0-13-amd64"
void parse_status(std::string_view status, Host& into);  // /proc/self/status: uid, capabilities, seccomp
unsigned parse_possible_cpus(std::string_view list);     // "0-7" is 8

}  // namespace convox::runtime
