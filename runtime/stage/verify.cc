// Is everything as planned? The last look before the payload, and the reason why nothing weaker than planned ever
// starts.
//
// A call that failed without anybody noticing, a mount that slipped in, a descriptor that leaked: each shows here,
// because the kernel is asked what is, and the answer compared with the plan. Measured on other runtimes: one failing
// mount(2), a remount to read-only, starts a container in which /proc/sys/kernel/core_pattern can be written, exit
// status 0. What is read: mountinfo, status and fd of /proc/self, through our own procfs.  proc(5)
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/resource.h>

#include "runtime/stage/stage.h"

namespace convox::stage {
namespace {

char line_buffer[64 * 1024];  // a line of mountinfo names every layer of an overlay

std::string_view cut(std::string_view* text, char separator) noexcept {
  const std::size_t end = text->find(separator);
  const std::string_view part = text->substr(0, end);
  *text = end == std::string_view::npos ? std::string_view() : text->substr(end + 1);
  return part;
}

bool parse_number(std::string_view digits, unsigned base, std::uint64_t* value) noexcept {
  *value = 0;
  for (const char c : digits) {
    const unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                           : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a') + 10
                                                  : base;
    if (digit >= base) return false;
    *value = *value * base + digit;
  }
  return !digits.empty();
}

// Calls `visit(line)` for each line of /proc/self/`name` until it says false.
template <class Visit>
Errno each_line(const Stage& stage, const char* name, Visit visit) noexcept {
  Errno error;
  const UniqueFd file = open_proc(stage, name, O_RDONLY, &error);
  if (!file) return error;
  std::size_t held = 0;
  for (;;) {
    const long got = sys::read(file.get(), line_buffer + held, sizeof line_buffer - held);
    if (got == -EINTR) continue;
    if (got < 0) return Errno(got);
    if (got == 0) return Errno(held ? -E2BIG : 0);
    held += static_cast<std::size_t>(got);
    std::string_view text(line_buffer, held);
    for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
      if (!visit(text.substr(0, end))) return {};
      text.remove_prefix(end + 1);
    }
    held = text.size();
    for (std::size_t i = 0; i < held; ++i) line_buffer[i] = text[i];  // to the front: the copy runs forward
  }
}

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

// One line: ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS [shared:N] [master:N] - ...
Difference check_mount(Stage& stage, std::string_view line) noexcept {
  constexpr std::uint64_t compared = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  std::uint64_t id = 0, parent = 0;
  if (!parse_number(cut(&line, ' '), 10, &id) || !parse_number(cut(&line, ' '), 10, &parent))
    return Difference::kMountUnknown;
  for (int skipped = 0; skipped < 3; ++skipped) cut(&line, ' ');
  const std::uint64_t attributes = attributes_of(cut(&line, ' '));
  if (line.substr(0, 2) != "- ") return Difference::kMountShared;
  // More than planned is fine (a volume may come from a read-only file system), less is not.
  const auto judge = [&](const MadeMount& made) {
    return made.attributes & compared & ~attributes ? Difference::kMountFlags : Difference::kNone;
  };
  for (std::uint32_t i = 0; i < stage.mount_count; ++i)
    if (stage.mounts[i].id == id) {
      stage.mounts[i].found = true;
      return judge(stage.mounts[i]);
    }
  // None of ours: then it must be a volume's own submount, and at least as tight as the volume.
  for (std::uint32_t i = 0; i < stage.mount_count; ++i)
    if (stage.mounts[i].id == parent && stage.mounts[i].whole) {
      if (stage.mount_count == kMaxMounts) return Difference::kMountUnknown;
      stage.mounts[stage.mount_count++] = {id, stage.mounts[i].attributes, true, true};
      return judge(stage.mounts[i]);
    }
  return Difference::kMountUnknown;
}

Errno check_mounts(Stage& stage) noexcept {
  Difference difference = Difference::kNone;
  const Errno error = each_line(stage, "self/mountinfo", [&](std::string_view line) {
    difference = check_mount(stage, line);
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
  if (key == "SigBlk:" || key == "SigIgn:" || key == "SigCgt:")
    return holds(0, 16) ? Difference::kNone : Difference::kSignals;
  if (key == "CapInh:" || key == "CapAmb:") return holds(0, 16) ? Difference::kNone : Difference::kCapabilities;
  if (key == "CapPrm:" || key == "CapEff:")
    return holds(stage.capabilities, 16) ? Difference::kNone : Difference::kCapabilities;
  if (key == "CapBnd:") return holds(planned.bounding, 16) ? Difference::kNone : Difference::kCapabilities;
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

// Open may be: 0, 1, 2, the report socket, our root and procfs, the mask, and the descriptor that lists them.
Errno check_descriptors(Stage& stage) noexcept {
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
      if (open > 2 && open != dir.get() && open != stage.socket && open != stage.root && open != stage.proc &&
          open != stage.empty_directory)
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
  Errno error = planned.mounts ? check_mounts(stage) : Errno();
  const auto agrees = [&] { return !error && stage.difference == Difference::kNone; };
  if (agrees()) error = check_status(stage, planned);
  if (agrees()) error = check_limits(stage);
  if (agrees()) error = check_descriptors(stage);
  if (agrees()) error = check_directory(stage);
  return error || stage.difference == Difference::kNone ? error : Errno(-EPERM);
}

}  // namespace convox::stage
