#include "cgroups/hierarchy.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

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

// A line: `41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw`; between the options and the
// single `-` stand as many optional fields as the kernel likes.  proc_pid_mountinfo(5)
Result<std::string> find_mount_point(std::string_view mountinfo) {
  std::string part;  // a mount that shows only a part of the hierarchy (a bind mount): better than none
  bool version_1 = false;
  while (!mountinfo.empty()) {
    const std::string_view line = cut(mountinfo, '\n');
    const std::size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    std::string_view source = line.substr(dash + 3);
    const std::string_view type = cut(source, ' ');
    if (type == "cgroup") version_1 = true;
    if (type != "cgroup2") continue;
    std::string_view fields = line.substr(0, dash);
    for (int field = 0; field < 3; ++field) cut(fields, ' ');
    const std::string_view root = cut(fields, ' ');
    std::string mount_point = unescape(cut(fields, ' '));
    if (root == "/") return mount_point;
    if (part.empty()) part = std::move(mount_point);
  }
  if (!part.empty()) return part;
  if (version_1)
    return not_found("cgroup version 1 only; containers need version 2")
        .advise("boot with systemd.unified_cgroup_hierarchy=1, or mount -t cgroup2 none /sys/fs/cgroup/unified");
  return not_found("no cgroup2 is mounted").advise("mount -t cgroup2 none /sys/fs/cgroup");
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
  const std::string offered = TRY(fs::read_once(root.get(), "cgroup.controllers"));
  found.controllers = parse_controllers(offered);
  if (found.controllers.empty() || !is_occupied(root.get())) return found;
  const std::string handed_down = TRY(fs::read_once(root.get(), "cgroup.subtree_control"));
  found.occupied = true;
  found.controllers = parse_controllers(handed_down);
  return found;
}

}  // namespace convox::cgroups
