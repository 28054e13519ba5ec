#include "runtime/container_facts.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>

#include "cgroups/cgroup.h"
#include "runtime/base/fs.h"
#include "runtime/base/words.h"

namespace convox::runtime {
namespace {

constexpr std::size_t kMostMounts = 16 << 20;  // bytes: a container may have 100,000 mounts
constexpr std::size_t kLargestStatus = 64 << 10;
constexpr std::size_t kLargestCgroupFile = 32 << 20;  // cgroup.procs of four million

// Blanks, backslashes and newlines are written as three octal digits.  proc_pid_mountinfo(5)
std::string unescaped(std::string_view text) {
  std::string made;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto code = text[at] == '\\' ? number(text.substr(at + 1, 3), 8) : std::nullopt;
    made += code ? static_cast<char>(*code) : text[at];
    if (code) at += 3;
  }
  return made;
}

// One line: ID PARENT MAJOR:MINOR ROOT TARGET OPTIONS [FIELD...] - TYPE SOURCE SUPEROPTIONS
std::optional<MountFact> parse_mount(std::string_view line) {
  MountFact mount;
  for (int i = 0; i < 3; ++i) cut(line, ' ');
  mount.root = unescaped(cut(line, ' '));
  mount.target = unescaped(cut(line, ' '));
  mount.options = cut(line, ' ');
  while (!line.empty() && cut(line, ' ') != "-") continue;
  mount.type = unescaped(cut(line, ' '));
  mount.source = unescaped(cut(line, ' '));
  mount.super_options = unescaped(line);
  if (mount.type.empty()) return {};
  return mount;
}

Result<std::vector<NamespaceFact>> read_namespaces(int proc) {
  std::vector<NamespaceFact> found;
  for (const char* kind : {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"}) {
    const std::string name = cat("ns/", kind);
    struct stat its {
    }, ours{};
    if (sys::newfstatat(AT_FDCWD, cat("/proc/self/", name).c_str(), &ours, 0) == -ENOENT) continue;  // this kernel
    TRY(check(sys::newfstatat(proc, name.c_str(), &its, 0), "stat", name));
    found.push_back({kind, its.st_ino, its.st_ino == ours.st_ino});
  }
  return found;
}

// By number, for there is no such call on a pidfd: true if the process lived on until afterwards, as read_facts asks.
Result<std::vector<LimitFact>> read_limits(int pid) {
  constexpr const char* names[] = {"cpu",     "fsize", "data",  "stack",      "core",     "rss",  "nproc",  "nofile",
                                   "memlock", "as",    "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime"};
  const auto value = [](std::uint64_t limit) {
    return limit == RLIM64_INFINITY ? std::optional<std::uint64_t>() : std::optional(limit);
  };
  std::vector<LimitFact> limits;
  for (int resource = 0; resource < static_cast<int>(std::size(names)); ++resource) {
    rlimit64 limit{};
    TRY(check(sys::prlimit64(pid, resource, nullptr, &limit), "prlimit", names[resource]));
    limits.push_back({names[resource], value(limit.rlim_cur), value(limit.rlim_max)});
  }
  return limits;
}

// Orders, which can only be written (cgroup.kill); what a threaded group does not have, or a kernel without PSI; and a
// group that is being removed.
bool says_nothing(int error) {
  constexpr int known[] = {EINVAL, EACCES, EOPNOTSUPP, ENODEV, ENOENT};
  return std::ranges::find(known, error) != std::end(known);
}

Result<ContainerFacts> read_all_facts(const ContainerProcess& process) {
  ContainerFacts facts;
  const std::string status = TRY(fs::read(process.proc.get(), "status", kLargestStatus));
  facts.status = TRY(parse_status(status));
  facts.namespaces = TRY(read_namespaces(process.proc.get()));
  const std::string mounts = TRY(fs::read(process.proc.get(), "mountinfo", kMostMounts));
  facts.mounts = parse_mounts(mounts);
  facts.limits = TRY(read_limits(process.pid));
  return facts;
}

}  // namespace

std::vector<MountFact> parse_mounts(std::string_view mountinfo) {
  std::vector<MountFact> mounts;
  while (!mountinfo.empty())
    if (auto mount = parse_mount(cut(mountinfo, '\n'))) mounts.push_back(std::move(*mount));
  return mounts;
}

Result<StatusFacts> parse_status(std::string_view status) {
  StatusFacts facts;
  const auto value_of = [status](std::string_view key) -> Result<std::uint64_t> {
    for (std::string_view rest = status; !rest.empty();) {
      std::string_view line = cut(rest, '\n');
      if (cut(line, ':') != key) continue;
      line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
      if (const auto value = number(line, key.starts_with("Cap") ? 16 : 10)) return *value;
      break;
    }
    return invalid(cat("/proc/PID/status has no ", key));
  };
  facts.capabilities.inheritable = TRY(value_of("CapInh"));
  facts.capabilities.permitted = TRY(value_of("CapPrm"));
  facts.capabilities.effective = TRY(value_of("CapEff"));
  facts.capabilities.bounding = TRY(value_of("CapBnd"));
  facts.capabilities.ambient = TRY(value_of("CapAmb"));
  facts.no_new_privileges = TRY(value_of("NoNewPrivs")) != 0;
  constexpr const char* modes[] = {"none", "strict", "filter"};  // prctl(2), PR_GET_SECCOMP
  const std::uint64_t mode = TRY(value_of("Seccomp"));
  facts.seccomp = mode < std::size(modes) ? modes[mode] : cat(mode);
  const auto filters = value_of("Seccomp_filters");  // Linux 5.9
  facts.filters = filters ? static_cast<unsigned>(*filters) : 0;
  return facts;
}

Result<ContainerFacts> read_facts(const ContainerProcess& process, const std::string& id) {
  auto facts = read_all_facts(process);
  if (process.has_ended()) return invalid(cat("process ", id, " is not running (it has just ended)"));
  return facts;
}

Result<std::vector<std::pair<std::string, std::string>>> read_cgroup_files(const cgroups::Hierarchy& hierarchy,
                                                                           const std::string& path) {
  const auto group = TRY(cgroups::Cgroup::open(hierarchy, path));
  std::vector<std::pair<std::string, std::string>> files;
  for (const std::string& name : TRY(fs::list(group.fd()), path)) {
    const auto belongs = [&name](std::string_view prefix) { return name.starts_with(prefix); };
    constexpr std::string_view families[] = {"memory.", "cpu.", "pids.", "io.", "cpuset.", "cgroup."};
    if (std::ranges::none_of(families, belongs)) continue;
    auto content = fs::read(group.fd(), name, kLargestCgroupFile);
    if (!content && says_nothing(content.error().code)) continue;
    if (!content) return std::move(content).error().under(path);
    if (content->ends_with('\n')) content->pop_back();
    files.emplace_back(name, std::move(*content));
  }
  return files;
}

}  // namespace convox::runtime
