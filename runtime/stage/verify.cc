// Is everything as planned? The last look before the payload, and the reason why nothing weaker than planned ever
// starts.
//
// A call that failed without anybody noticing, a mount that slipped in, a descriptor that leaked: each shows here,
// because the kernel is asked what is, and the answer compared with the plan. Measured on other runtimes: one failing
// mount(2), a remount to read-only, starts a container in which /proc/sys/kernel/core_pattern can be written, exit
// status 0. What is read: mountinfo, status and fd of /proc/self, through our own procfs.  proc(5)
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/resource.h>

#include "runtime/stage/lines.h"

namespace convox::stage {
namespace {

constexpr std::uint64_t kAdmin = std::uint64_t{1} << CAP_SYS_ADMIN;

std::uint64_t attributes_of(std::string_view options) noexcept {
  std::uint64_t attributes = 0;
  while (!options.empty()) {
    const std::string_view option = cut(&options, ',');
    if (option == "ro") attributes |= MOUNT_ATTR_RDONLY;
    if (option == "nosuid") attributes |= MOUNT_ATTR_NOSUID;
    if (option == "nodev") attributes |= MOUNT_ATTR_NODEV;
    if (option == "noexec") attributes |= MOUNT_ATTR_NOEXEC;
  }
  return attributes;
}

// Does a mount get or give what is mounted elsewhere, by the fields behind its options? One that is unbindable is
// private, too.  proc_pid_mountinfo(5)
bool propagates(std::string_view fields) noexcept {
  std::string_view field = cut(&fields, ' ');
  if (field == "unbindable") field = cut(&fields, ' ');
  return field != "-";
}

// One line: ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS [shared:N] [master:N] [unbindable] - ...
Difference check_mount(Stage& stage, const Verify& planned, std::string_view line) noexcept {
  constexpr std::uint64_t compared = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  std::uint64_t id = 0, parent = 0;
  if (!parse_number(cut(&line, ' '), 10, &id) || !parse_number(cut(&line, ' '), 10, &parent))
    return Difference::kMountUnknown;
  for (int skipped = 0; skipped < 3; ++skipped) cut(&line, ' ');
  const std::uint64_t attributes = attributes_of(cut(&line, ' '));
  if (propagates(line) && !planned.may_be_shared) return Difference::kMountShared;
  // More than planned is fine (a volume may come from a read-only file system), less is not.
  const auto judge = [&](const MadeMount& made) {
    return made.attributes & compared & ~attributes ? Difference::kMountFlags : Difference::kNone;
  };
  for (std::uint32_t i = 0; i < stage.mount_count; ++i)
    if (stage.mounts[i].id == id) {
      stage.mounts[i].found = true;
      return judge(stage.mounts[i]);
    }
  if (planned.mounts == Verify::Mounts::kAtLeast) return Difference::kNone;
  // None of ours: then it must lie below a tree that may hold others, and be as tight as they must be.
  for (std::uint32_t i = 0; i < stage.mount_count; ++i)
    if (stage.mounts[i].id == parent && stage.mounts[i].whole) {
      if (stage.mount_count == kMaxMounts) return Difference::kMountUnknown;
      const MadeMount& top = stage.mounts[i];
      stage.mounts[stage.mount_count++] = {id, top.below, true, top.below, true};
      return judge(stage.mounts[stage.mount_count - 1]);
    }
  return Difference::kMountUnknown;
}

Errno check_mounts(Stage& stage, const Verify& planned) noexcept {
  Difference difference = Difference::kNone;
  const Errno error = each_line(stage, "self/mountinfo", [&](std::string_view line) {
    difference = check_mount(stage, planned, line);
    return difference == Difference::kNone;
  });
  for (std::uint32_t i = 0; i < stage.mount_count && difference == Difference::kNone; ++i)
    if (!stage.mounts[i].found) difference = Difference::kMountMissing;
  stage.difference = difference;
  return error;
}

// All whitespace-separated numbers of `list` equal `wanted`?
bool all_equal(std::string_view list, std::uint64_t wanted) noexcept {
  while (!list.empty()) {
    std::uint64_t value = 0;
    if (!parse_number(cut(&list, '\t'), 10, &value) || value != wanted) return false;
  }
  return true;
}

bool same_groups(std::string_view list, const User& user) noexcept {
  std::uint32_t count = 0;
  while (!list.empty()) {
    const std::string_view digits = cut(&list, ' ');
    if (digits.empty()) continue;
    std::uint64_t gid = 0;
    if (!parse_number(digits, 10, &gid)) return false;
    bool known = false;  // the kernel sorts them
    for (std::uint32_t i = 0; i < user.group_count; ++i) known |= user.groups[i] == gid;
    if (!known) return false;
    ++count;
  }
  return count == user.group_count;
}

Difference check_status_line(const Stage& stage, const Verify& planned, std::string_view line,
                             std::uint32_t* seen) noexcept {
  const std::string_view key = cut(&line, '\t');
  const auto holds = [&](std::uint64_t wanted, unsigned base) {
    std::uint64_t value = 0;
    ++*seen;
    return parse_number(line, base, &value) && value == wanted;
  };
  if (key == "Umask:") return holds(stage.umask, 8) ? Difference::kNone : Difference::kUmask;
  if (key == "SigIgn:" && planned.inherits_signals) return ++*seen, Difference::kNone;
  if (key == "SigBlk:" || key == "SigIgn:" || key == "SigCgt:")
    return holds(0, 16) ? Difference::kNone : Difference::kSignals;
  const struct {
    std::string_view key;
    std::uint64_t wanted;
  } sets[] = {{"CapInh:", stage.capabilities.inheritable},
              {"CapPrm:", stage.capabilities.permitted | (stage.holds_admin ? kAdmin : 0)},
              {"CapEff:", stage.capabilities.effective},
              {"CapBnd:", planned.bounding},
              {"CapAmb:", stage.capabilities.ambient}};
  for (const auto& set : sets)
    if (key == set.key) return holds(set.wanted, 16) ? Difference::kNone : Difference::kCapabilities;
  if (key == "NoNewPrivs:")
    return holds(planned.no_new_privs ? 1 : 0, 10) ? Difference::kNone : Difference::kNoNewPrivs;
  *seen += key == "Uid:" || key == "Gid:" || key == "Groups:";
  if (key == "Uid:") return all_equal(line, stage.user.uid) ? Difference::kNone : Difference::kIds;
  if (key == "Gid:") return all_equal(line, stage.user.gid) ? Difference::kNone : Difference::kIds;
  if (key == "Groups:") return same_groups(line, stage.user) ? Difference::kNone : Difference::kGroups;
  return Difference::kNone;
}

Errno check_status(Stage& stage, const Verify& planned) noexcept {
  constexpr std::uint32_t kLines = 13;  // a line that is missing is not a line that agrees
  std::uint32_t seen = 0;
  const Errno error = each_line(stage, "self/status", [&](std::string_view line) {
    stage.difference = check_status_line(stage, planned, line, &seen);
    return stage.difference == Difference::kNone;
  });
  return !error && stage.difference == Difference::kNone && seen != kLines ? Errno(-ENODATA) : error;
}

Errno check_limits(Stage& stage) noexcept {
  for (std::uint32_t resource = 0; resource < kMaxLimits; ++resource) {
    if (!stage.limits[resource].set) continue;
    rlimit64 now{};
    if (const long rc = sys::prlimit64(0, static_cast<int>(resource), nullptr, &now); rc < 0) return Errno(rc);
    if (now.rlim_cur != stage.limits[resource].soft || now.rlim_max != stage.limits[resource].hard)
      stage.difference = Difference::kLimit;
  }
  return {};
}

// Does the stage need `open` for what it still has to do? (The caller's own descriptors are none of its.)
bool is_ours(const Stage& stage, int open) noexcept {
  if (open == stage.socket || open == stage.root || open == stage.proc || open == stage.empty_directory) return true;
  for (std::uint32_t i = 0; i < stage.plan.head().step_count; ++i) {
    const Step& step = stage.plan.step(i);
    if (const auto* gate = std::get_if<Gate>(&step); gate && open == stage.in(gate->socket)) return true;
    if (const auto* hook = std::get_if<RunHook>(&step);
        hook && (open == stage.in(hook->state) || open == stage.in(hook->output)))
      return true;
  }
  return false;
}

// Open may be: 0, 1, 2, what the payload is to get, what is_ours, and the descriptor that lists them. The payload must
// not get one of the latter.
Errno check_descriptors(Stage& stage, const Verify& planned) noexcept {
  struct Entry {
    std::uint64_t inode;
    std::int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[1];
  };
  Errno error;
  const UniqueFd dir = open_proc(stage, "self/fd", O_RDONLY | O_DIRECTORY, &error);
  if (!dir) return error;
  alignas(8) char buffer[4096];
  for (;;) {
    const long got = sys::getdents64(dir.get(), buffer, sizeof buffer);
    if (got < 0) return Errno(got);
    if (got == 0) return {};
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const Entry*>(buffer + at);
      at += entry->size;
      std::uint64_t number = 0;
      if (!parse_number(entry->name, 10, &number)) continue;  // "." and ".."
      const int open = static_cast<int>(number);
#ifdef CONVOX_FAULTS
      if (open == faults::kLog) continue;
#endif
      const bool ours = open == dir.get() || is_ours(stage, open);
      if (open > 2 && ours == (number < std::uint64_t{3} + planned.preserved))
        stage.difference = Difference::kDescriptor;
    }
  }
}

// A working directory outside the root reads "(unreachable)/..." (CVE-2024-21626).  getcwd(2)
Errno check_directory(Stage& stage) noexcept {
  char path[4096];
  const long size = sys::getcwd(path, sizeof path);
  if (size < 0) return Errno(size);
  if (path[0] != '/') stage.difference = Difference::kDirectory;
  return {};
}

}  // namespace

Errno perform(const Verify& planned, Stage& stage) noexcept {
  Errno error = planned.mounts == Verify::Mounts::kUnknown ? Errno() : check_mounts(stage, planned);
  const auto agrees = [&] { return !error && stage.difference == Difference::kNone; };
  if (agrees()) error = check_status(stage, planned);
  if (agrees()) error = check_limits(stage);
  if (agrees()) error = check_descriptors(stage, planned);
  if (agrees()) error = check_directory(stage);
  return error || stage.difference == Difference::kNone ? error : Errno(-EPERM);
}

}  // namespace convox::stage
