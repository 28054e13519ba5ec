// Which words of the specification stand for which numbers of the kernel? Those that more than one
// file needs.
#pragma once
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <sys/resource.h>

#include <cstdint>
#include <string_view>

#include "runtime/oci/config.h"
#include "runtime/oci/item.h"

namespace convox::oci {

struct NamespaceKind {
  Kind kind;
  std::string_view type;  // in config.json
  std::string_view file;  // in /proc/PID/ns
  std::uint64_t flag;
};
inline constexpr NamespaceKind kNamespaceKinds[] = {
    {Kind::kCgroup, "cgroup", "cgroup", CLONE_NEWCGROUP},
    {Kind::kIpc, "ipc", "ipc", CLONE_NEWIPC},
    {Kind::kMount, "mount", "mnt", CLONE_NEWNS},
    {Kind::kNetwork, "network", "net", CLONE_NEWNET},
    {Kind::kPid, "pid", "pid", CLONE_NEWPID},
    {Kind::kTime, "time", "time", CLONE_NEWTIME},
    {Kind::kUser, "user", "user", CLONE_NEWUSER},
    {Kind::kUts, "uts", "uts", CLONE_NEWUTS},
};

// uapi/asm-generic/resource.h: the numbers of every architecture but alpha, mips and sparc.
inline constexpr Word<std::uint32_t> kLimits[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

// linux/mempolicy.h of Linux 6.9; older headers lack the last mode.
inline constexpr Word<std::uint32_t> kMemoryModes[] = {
    {"MPOL_DEFAULT", 0},
    {"MPOL_PREFERRED", 1},
    {"MPOL_BIND", 2},
    {"MPOL_INTERLEAVE", 3},
    {"MPOL_LOCAL", 4},
    {"MPOL_PREFERRED_MANY", 5},
    {"MPOL_WEIGHTED_INTERLEAVE", 6},
};
inline constexpr Word<std::uint32_t> kMemoryFlags[] = {
    {"MPOL_F_NUMA_BALANCING", 1 << 13},
    {"MPOL_F_RELATIVE_NODES", 1 << 14},
    {"MPOL_F_STATIC_NODES", 1 << 15},
};

inline constexpr std::string_view kHookNames[] = {"prestart",       "createRuntime", "createContainer",
                                                  "startContainer", "poststart",     "poststop"};

}  // namespace convox::oci
