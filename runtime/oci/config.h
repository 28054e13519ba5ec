// What does a config.json say? All of it that a Linux runtime must know, checked and in the kernel's own terms.
//
// runtime-spec 1.3, config.md and config-linux.md. `read_config` (config_read.cc and its neighbours) makes it of the
// text, `check` (check.cc) applies the rules that need no kernel. Unknown members are ignored, as the specification
// wants; a member of the wrong type is an error that names its path. From here on nobody sees JSON. Read next: plan.h.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cgroups/resources.h"
#include "runtime/base/result.h"
#include "runtime/security/capabilities.h"
#include "runtime/security/profile.h"
#include "runtime/stage/plan.h"
#include "runtime/terminal.h"

namespace convox::oci {

// --- process ---------------------------------------------------------------------------------------------------------
struct User {
  std::uint32_t uid = 0, gid = 0;
  std::optional<std::uint32_t> umask;  // 0022 if absent
  std::vector<std::uint32_t> additional_gids;
};

struct Capabilities {
  security::CapabilitySet bounding = 0, effective = 0, permitted = 0, inheritable = 0, ambient = 0;
};

// sched_setattr(2), already in its numbers.
struct Scheduler {
  std::uint32_t policy = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t flags = 0;                              // SCHED_FLAG_*
  std::uint64_t runtime = 0, deadline = 0, period = 0;  // nanoseconds
};

// Lists of processors, "0-3,7"; empty: as it is.
struct CpuAffinity {
  std::string initial, final;
};

struct Process {
  bool terminal = false;
  std::optional<runtime::TerminalSize> console_size;
  User user;
  std::vector<std::string> args, env;  // env: KEY=VALUE, the last of a key wins
  std::string cwd = "/";
  std::optional<Capabilities> capabilities;  // absent: none, or in an exec those of the container
  std::optional<bool> no_new_privileges;
  std::vector<stage::SetLimit> rlimits;
  std::optional<std::string> apparmor_profile, selinux_label;
  std::optional<std::int32_t> oom_score_adj;  // absent: as it is
  std::optional<Scheduler> scheduler;
  std::optional<std::uint32_t> io_priority;  // as ioprio_set(2) takes it
  std::optional<CpuAffinity> exec_cpu_affinity;
};

// --- file system
// ------------------------------------------------------------------------------------------------------
struct IdMapping {
  std::uint32_t container = 0, host = 0, size = 0;
  bool operator==(const IdMapping&) const = default;
};

struct Mount {
  std::string destination;  // absolute; a relative one is made so
  std::string type, source;
  bool bind = false;       // `bind` or `rbind` among the options, or as the type
  bool recursive = false;  // rbind
  // Of this mount: MOUNT_ATTR_*, to set and to clear; atime modes are a field of MOUNT_ATTR__ATIME.
  std::uint64_t set = 0, clear = 0;
  std::uint64_t recursive_set = 0, recursive_clear = 0;  // the r-forms: rro, rnosuid ...
  std::uint64_t propagation = 0;                         // MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE, or 0
  bool propagation_recursive = false;
  std::vector<std::string> data;  // all other options, for the file system: KEY=VALUE or KEY
  bool copy_up = false;           // tmpcopyup
  enum class IdMap { kNone, kThis, kRecursive } idmap = IdMap::kNone;
  std::vector<IdMapping> uid_mappings, gid_mappings;  // with idmap and none of these: the container's own
};

struct Device {
  char type = 'c';  // c, b, p; `u` is read as c
  std::string path;
  std::uint32_t major = 0, minor = 0;
  std::uint32_t mode = 0666, uid = 0, gid = 0;
};

// --- namespaces
// ---------------------------------------------------------------------------------------------------------
enum class Kind { kUser, kMount, kPid, kNetwork, kIpc, kUts, kCgroup, kTime };
inline constexpr Kind kKinds[] = {Kind::kUser, Kind::kMount, Kind::kPid,    Kind::kNetwork,
                                  Kind::kIpc,  Kind::kUts,   Kind::kCgroup, Kind::kTime};
struct Namespace {
  Kind kind = Kind::kMount;
  std::string path;  // to be joined; empty: a new one
};

struct TimeOffset {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
};

// --- the rest
// -------------------------------------------------------------------------------------------------------------
struct Hook {
  std::string path;
  std::vector<std::string> args;  // at least one: the path, if the hook names none
  std::vector<std::string> env;
  std::uint32_t timeout = 0;  // seconds; 0: none
};
struct Hooks {
  std::vector<Hook> prestart, create_runtime, create_container, start_container, poststart, poststop;
};

struct NetDevice {
  std::string host_name, name;  // name: inside; the same if the configuration gives none
};

struct MemoryPolicy {
  std::uint32_t mode = 0;  // MPOL_*, with MPOL_F_*
  std::string nodes;       // "0-1", or empty
};

struct IntelRdt {
  std::optional<std::string> clos_id;
  std::vector<std::string> schemata;  // l3CacheSchema, memBwSchema and schemata, in the order in which they are written
  bool monitoring = false;
};

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Config {
  std::string version;             // ociVersion
  std::optional<Process> process;  // a container without one can be created, not started
  std::string root;                // as written; relative to the bundle
  bool root_read_only = false;
  std::uint64_t root_propagation = 0;  // MS_SHARED, ..., with MS_REC for the r-forms; 0: not given
  std::string hostname, domainname;
  std::vector<Mount> mounts;
  Hooks hooks;
  Pairs annotations;
  std::vector<Namespace> namespaces;
  // Of a new user namespace. Beside one that is joined: what an engine says of it, or nothing.
  std::vector<IdMapping> uid_mappings, gid_mappings;
  std::vector<Device> devices;
  std::string cgroups_path;
  cgroups::Resources resources;
  std::optional<security::Profile> seccomp;
  std::vector<std::string> masked_paths, read_only_paths;
  std::string mount_label;
  Pairs sysctl;  // "net.ipv4.conf.eth0/1.forwarding": parts between dots, and `/` for a dot in a part
  std::optional<IntelRdt> intel_rdt;
  std::optional<std::uint32_t> personality;  // PER_LINUX or PER_LINUX32
  std::optional<MemoryPolicy> memory_policy;
  std::optional<TimeOffset> monotonic, boottime;
  std::vector<NetDevice> net_devices;

  [[nodiscard]] const Namespace* find(Kind kind) const;
  [[nodiscard]] bool is_new(Kind kind) const;                                    // listed, without a path
  [[nodiscard]] bool has_own(Kind kind) const { return find(kind) != nullptr; }  // not the runtime's
  [[nodiscard]] const std::string* annotation(std::string_view key) const;
};

// The names of the kinds in /proc/PID/ns: "user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time".
std::string_view file_of(Kind kind);
// And in config.json: "mount", "network".
std::string_view type_of(Kind kind);
// CLONE_NEW*
std::uint64_t flag_of(Kind kind);

// Of a whole config.json. Errors say where: `process.user.uid: must be a number`.
Result<Config> read_config(std::string_view text);
// Of a process.json, as `exec --process` has it.
Result<Process> read_process(std::string_view text);
// Of a LinuxResources document, as `update --resources` has it.
Result<cgroups::Resources> read_resources(std::string_view text);

// The rules of the specification that need no kernel, applied before anything is changed: the first that is broken, in
// a fixed order.
Result<> check(const Config& config);
// Those for a process alone, of an exec too.
Result<> check(const Process& process);

}  // namespace convox::oci
