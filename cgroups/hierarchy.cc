#include "cgroups/hierarchy.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "runtime/base/fs.h"
#include "runtime/base/words.h"

namespace convox::cgroups {
namespace {

constexpr const char* kUsualPlaces[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};  // systemd's: unified and hybrid
constexpr std::size_t kMountinfoLimit = 64 << 20;

// mountinfo writes space, tab, newline and backslash as three octal digits, so that a field is a word.
std::string unescape(std::string_view field) {
  auto octal = [](char digit) { return digit >= '0' && digit <= '7'; };
  std::string text;
  for (std::size_t at = 0; at < field.size(); ++at) {
    const bool escape = field[at] == '\\' && at + 3 < field.size() && octal(field[at + 1]) && octal(field[at + 2]) &&
                        octal(field[at + 3]);
    if (!escape) {
      text += field[at];
      continue;
    }
    text += static_cast<char>((field[at + 1] - '0') * 64 + (field[at + 2] - '0') * 8 + (field[at + 3] - '0'));
    at += 3;
  }
  return text;
}

// A line: `41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw`; between the options and the
// single `-` stand as many optional fields as the kernel likes.  proc_pid_mountinfo(5)
struct Mount {
  std::string_view root, point, type;  // root and point are escaped
};
std::optional<Mount> parse_mount(std::string_view line) {
  const std::size_t dash = line.find(" - ");
  if (dash == std::string_view::npos) return {};
  Mount mount;
  std::string_view fields = line.substr(0, dash), source = line.substr(dash + 3);
  for (int field = 0; field < 3; ++field) cut(fields, ' ');
  mount.root = cut(fields, ' ');
  mount.point = cut(fields, ' ');
  mount.type = cut(source, ' ');
  return mount;
}

// Only groups below the host's root have the file cgroup.type. Pids outside of our namespace show as 0, so a single
// byte of cgroup.procs says that somebody is there.
bool is_occupied(int root) {
  if (sys::faccessat2(root, "cgroup.type", F_OK, 0) < 0) return false;
  const UniqueFd processes(sys::openat(root, "cgroup.procs", O_RDONLY | O_CLOEXEC));
  char byte = 0;
  return processes && sys::read(processes.get(), &byte, 1) == 1;
}

}  // namespace

std::string_view name(Controller controller) {
  switch (controller) {
    case Controller::kCpu:
      return "cpu";
    case Controller::kMemory:
      return "memory";
    case Controller::kPids:
      return "pids";
    case Controller::kIo:
      return "io";
    case Controller::kCpuset:
      return "cpuset";
  }
  __builtin_unreachable();
}

Controllers parse_controllers(std::string_view words) {
  Controllers found;
  if (words.ends_with('\n')) words.remove_suffix(1);
  while (!words.empty()) {
    const std::string_view word = cut(words, ' ');
    for (const Controller one : kControllers)
      if (word == name(one)) found.add(one);
  }
  return found;
}

bool has_word(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    std::string_view line = cut(words, '\n');
    while (!line.empty())
      if (cut(line, ' ') == word) return true;
  }
  return false;
}

std::vector<std::string> names(Controllers controllers) {
  std::vector<std::string> list;
  for (const Controller one : kControllers)
    if (controllers.has(one)) list.emplace_back(name(one));
  return list;
}

Result<std::string> find_mount_point(std::string_view mountinfo) {
  std::string part;  // a mount that shows only a part of the hierarchy (a bind mount): better than none
  bool version_1 = false;
  while (!mountinfo.empty()) {
    const auto mount = parse_mount(cut(mountinfo, '\n'));
    if (!mount) continue;
    if (mount->type == "cgroup") version_1 = true;
    if (mount->type != "cgroup2") continue;
    if (mount->root == "/") return unescape(mount->point);
    if (part.empty()) part = unescape(mount->point);
  }
  if (!part.empty()) return part;
  if (version_1)
    return not_found("cgroup version 1 only; containers need version 2")
        .advise("boot with systemd.unified_cgroup_hierarchy=1, or mount -t cgroup2 none /sys/fs/cgroup/unified");
  return not_found("no cgroup2 is mounted").advise("mount -t cgroup2 none /sys/fs/cgroup");
}

Result<std::string> find_mount_root(std::string_view mountinfo, std::string_view mount_point) {
  std::optional<std::string> root;
  while (!mountinfo.empty()) {
    const auto mount = parse_mount(cut(mountinfo, '\n'));
    // The last one listed lies on top of the others.
    if (mount && mount->type == "cgroup2" && unescape(mount->point) == mount_point) root = unescape(mount->root);
  }
  if (!root) return not_found(cat("no cgroup2 is mounted at ", mount_point));
  return *std::move(root);
}

// The line of version 2 is `0::/system.slice/x.service`, with ` (deleted)` behind it if the group is gone; both files
// name groups as the reader's cgroup namespace does, so a group outside of it starts with `/..`.  cgroup_namespaces(7)
Result<std::string> parse_group(std::string_view proc_cgroup, std::string_view mount_root) {
  while (!proc_cgroup.empty()) {
    std::string_view group = cut(proc_cgroup, '\n');
    if (!group.starts_with("0::/")) continue;
    group.remove_prefix(3);
    if (group.ends_with(" (deleted)")) return not_found(cat("the cgroup ", group, " was removed"));
    std::string_view below = group;
    const bool whole = mount_root == "/", starts = whole || below.starts_with(mount_root);
    if (starts && !whole) below.remove_prefix(mount_root.size());
    const bool outside = group == "/.." || group.starts_with("/../");
    if (!starts || outside || !(below.empty() || below.starts_with('/')))
      return not_found(cat("the cgroup ", group, " is not below ", mount_root, ", which is what the mount shows"));
    if (!below.empty()) below.remove_prefix(1);
    return std::string(below);
  }
  return not_found("the process is in no group of cgroup version 2");
}

Result<std::string> group_of_process(const Hierarchy& hierarchy, std::string_view pid) {
  const std::string doing = cat("looking up the cgroup of process ", pid);
  const std::string groups = TRY(fs::read_once(AT_FDCWD, cat("/proc/", pid, "/cgroup")), doing);
  const UniqueFd file = TRY(fs::open("/proc/self/mountinfo", O_RDONLY), doing);
  const std::string mounts = TRY(fs::read_all(file.get(), "/proc/self/mountinfo", kMountinfoLimit), doing);
  const std::string root = TRY(find_mount_root(mounts, hierarchy.mount_point), doing);
  return TRY(parse_group(groups, root), doing);
}

bool weighs_by_bfq(const Hierarchy& hierarchy) {
  const Result<UniqueFd> root = fs::open(hierarchy.mount_point, O_RDONLY | O_DIRECTORY);
  if (!root) return false;
  const Result<std::vector<std::string>> entries = fs::list(root->get());
  if (!entries) return false;
  return std::any_of(entries->begin(), entries->end(), [&](const std::string& entry) {
    return sys::faccessat2(root->get(), cat(entry, "/io.bfq.weight").c_str(), F_OK, 0) == 0;
  });
}

Result<Hierarchy> read_hierarchy() {
  Hierarchy found;
  for (const char* place : kUsualPlaces) {
    struct statfs there {};
    if (sys::statfs(place, &there) < 0 || there.f_type != CGROUP2_SUPER_MAGIC) continue;
    found.mount_point = place;
    break;
  }
  if (found.mount_point.empty()) {
    const UniqueFd file = TRY(fs::open("/proc/self/mountinfo", O_RDONLY));
    const std::string mounts = TRY(fs::read_all(file.get(), "/proc/self/mountinfo", kMountinfoLimit));
    found.mount_point = TRY(find_mount_point(mounts));
  }
  const UniqueFd root = TRY(fs::open(found.mount_point, O_RDONLY | O_DIRECTORY));
  found.offered = TRY(fs::read_once(root.get(), "cgroup.controllers"));
  if (found.offered.size() > 1 && is_occupied(root.get())) {
    found.occupied = true;
    found.offered = TRY(fs::read_once(root.get(), "cgroup.subtree_control"));
  }
  found.controllers = parse_controllers(found.offered);
  return found;
}

}  // namespace convox::cgroups
