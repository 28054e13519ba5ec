// What does the kernel say about a running container?
//
// Not what was planned but what is: the files of its PID 1 in /proc and those of its cgroup. Each is read through the
// descriptors of container_process.h, so all of it is about one and the same process. Man pages: proc(5),
// proc_pid_mountinfo(5), namespaces(7), getrlimit(2)
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/container_process.h"
#include "runtime/security/capabilities.h"

namespace convox::runtime {

struct NamespaceFact {
  std::string kind;  // "net", as in /proc/PID/ns
  std::uint64_t inode = 0;
  bool of_host = false;  // convox is in the same one
};

struct MountFact {
  std::string target, root, type, source;
  std::string options, super_options;  // of this mount; of its file system
};

struct LimitFact {
  std::string name;                         // "nofile"
  std::optional<std::uint64_t> soft, hard;  // nothing: unlimited
};

struct StatusFacts {
  security::CapabilitySets capabilities;
  std::string seccomp;  // "none", "strict", "filter"
  unsigned filters = 0;
  bool no_new_privileges = false;
};

struct ContainerFacts {
  StatusFacts status;
  std::vector<NamespaceFact> namespaces;  // by kind
  std::vector<MountFact> mounts;          // as mountinfo lists them
  std::vector<LimitFact> limits;
};
Result<ContainerFacts> read_facts(const ContainerProcess& process, const std::string& id);

// Name and content, without the last newline, of the files of cgroup `path` that say something: memory.*, cpu.*,
// pids.*, io.*, cpuset.*, cgroup.*. By name. Kind::kNotFound if there is no such cgroup.
Result<std::vector<std::pair<std::string, std::string>>> read_cgroup_files(const cgroups::Hierarchy& hierarchy,
                                                                           const std::string& path);

// The kernel's texts, taken apart. A line of mountinfo that makes no sense is left out.
std::vector<MountFact> parse_mounts(std::string_view mountinfo);
Result<StatusFacts> parse_status(std::string_view status);

}  // namespace convox::runtime
