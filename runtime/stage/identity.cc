// How does the stage become the payload's user, with no more than the payload's rights?
//
// The order is the plan's: no_new_privs, bounding set, ids, capabilities. Each is one kernel rule: a bounding set can
// only be dropped with CAP_SETPCAP, ids only change with CAP_SETUID, and what is left of the capabilities goes last.
// capabilities(7)
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/stat.h>
#include <sys/mman.h>

#include "runtime/stage/stage.h"

namespace convox::stage {
namespace {

// An account file of the image as text; empty if there is none. Fresh memory and a read, not a mapping of the file:
// somebody may truncate a mapped file while it is parsed, which is a SIGBUS.
Errno read_account_file(const Stage& stage, const char* path, std::string_view* text) noexcept {
  Errno error;
  *text = {};
  // O_NONBLOCK: a FIFO in its place would hang us for ever (CVE-2024-9676).
  const UniqueFd file = open_inside(stage, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, false, &error);
  if (!file) return error.value == ENOENT || error.value == ENOTDIR ? Errno() : error;
  struct statx st {};
  if (const long rc = sys::statx(file.get(), "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &st); rc < 0) return Errno(rc);
  if ((st.stx_mode & S_IFMT) != S_IFREG) return Errno(-EINVAL);
  if (st.stx_size > kMaxAccountFile) return Errno(-E2BIG);
  const std::size_t room = static_cast<std::size_t>(st.stx_size) + 1;
  const long at = sys::mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at < 0 && at > -4096) return Errno(at);
  const long got = read_full(file.get(), reinterpret_cast<char*>(at), room);
  if (got < 0) return Errno(got);
  *text = {reinterpret_cast<const char*>(at), static_cast<std::size_t>(got)};
  return {};
}

// What an image, or a process in a root that is shared, can make of the file: a link in a circle, a FIFO, a book, a
// place out of reach. All else is the kernel's failure, or ours.
bool is_of_the_file(Errno error) noexcept {
  for (const int one : {ELOOP, ENAMETOOLONG, ENXIO, EISDIR, EACCES, EINVAL, E2BIG})
    if (error.value == one) return true;
  return false;
}

void set_home(Stage& stage) noexcept {
  const std::string_view home = stage.user.home.empty() || stage.user.home[0] != '/' ? "/" : stage.user.home;
  char* out = stage.home;
  for (const char c : std::string_view("HOME=")) *out++ = c;
  for (const char c : home) *out++ = c;
  *out = '\0';
}

// `id` in decimal, in `room` of at least 11 bytes.
std::string_view digits_of(std::uint32_t id, char (&room)[11]) noexcept {
  std::size_t at = sizeof room;
  do room[--at] = static_cast<char>('0' + id % 10);
  while ((id /= 10) > 0);
  return {room + at, sizeof room - at};
}

}  // namespace

Errno set_capabilities(const Capabilities& sets) noexcept {
  const auto half = [&](int shift) {
    return __user_cap_data_struct{static_cast<std::uint32_t>(sets.effective >> shift),
                                  static_cast<std::uint32_t>(sets.permitted >> shift),
                                  static_cast<std::uint32_t>(sets.inheritable >> shift)};
  };
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct data[2] = {half(0), half(32)};
  return Errno(sys::capset(&head, data));
}

Errno perform(const ResolveUser& step, Stage& stage) noexcept {
  std::string_view passwd, group;
  if (const Errno error = read_account_file(stage, "/etc/passwd", &passwd); error) return error;
  if (const Errno error = read_account_file(stage, "/etc/group", &group); error) return error;
  if (const Errno error = look_up(stage.plan.view(step.user), passwd, group, &stage.user); error) return error;
  if (step.never_root && stage.user.uid == 0) return Errno(-EPERM);
  if (stage.user.uid > step.largest_id || stage.user.gid > step.largest_id) return Errno(-ERANGE);
  set_home(stage);
  return {};
}

// Where the groups are to stay as they are, Verify finds those that are there now. A passwd that is none does
// not say where home is: nothing else depends on it.
Errno perform(const TakeUser& step, Stage& stage) noexcept {
  if (stage.plan.head().adds_home) {
    char spec[11];
    std::string_view passwd;
    Errno error = read_account_file(stage, "/etc/passwd", &passwd);
    if (!error) error = look_up(digits_of(step.uid, spec), passwd, {}, &stage.user);
    if (error && !is_of_the_file(error)) return error;
    if (error) stage.user.home = {};
    set_home(stage);
  }
  User& user = stage.user;
  user.uid = step.uid;
  user.gid = step.gid;
  stage.keeps_groups = step.keep_groups;
  if (step.keep_groups) {
    const long count = sys::getgroups(kMaxGroups, user.groups);
    user.group_count = count < 0 ? 0 : static_cast<std::uint32_t>(count);
    return Errno(count);
  }
  user.group_count = step.groups.size / sizeof *user.groups;
  if (user.group_count > kMaxGroups) return Errno(-E2BIG);
  const char* groups = stage.plan.text(step.groups);
  for (std::size_t i = 0; i < user.group_count * sizeof *user.groups; ++i)
    reinterpret_cast<char*>(user.groups)[i] = groups[i];
  return {};
}

// Through a procfs that shows us: a path could lead to another file, and the label would be somebody else's
// (CVE-2019-16884). One write is one label.
Errno perform(const SetSecurityLabel& step, Stage& stage) noexcept {
  Errno error = have_proc(stage);
  if (error) return error;
  char path[64];
  char* out = path;
  const std::string_view file = stage.plan.view(step.file);
  constexpr std::string_view dir = "self/attr/";
  if (dir.size() + file.size() + 1 > sizeof path) return Errno(-ENAMETOOLONG);
  for (const std::string_view part : {dir, file})
    for (const char c : part) *out++ = c;
  *out = '\0';
  const UniqueFd attribute = open_proc(stage, path, O_WRONLY, &error);
  if (!attribute) return error;
  const long put = sys::write(attribute.get(), stage.plan.text(step.value), step.value.size);
  return put >= 0 && put != static_cast<long>(step.value.size) ? Errno(-EIO) : Errno(put);
}

Errno perform(const NoNewPrivileges&, Stage&) noexcept { return Errno(sys::prctl(PR_SET_NO_NEW_PRIVS, 1)); }

Errno perform(const DropBounding& step, Stage&) noexcept {
  for (unsigned long capability = 0; capability < 64; ++capability) {
    const long held = sys::prctl(PR_CAPBSET_READ, capability);
    if (held == -EINVAL) break;  // past the last one this kernel knows
    if (held < 0) return Errno(held);
    if (held == 1 && !(step.keep >> capability & 1))
      if (const long rc = sys::prctl(PR_CAPBSET_DROP, capability); rc < 0) return Errno(rc);
  }
  return {};
}

// Groups first, then gid, then uid: each needs a right that the next change takes away. KEEPCAPS carries the permitted
// set over setresuid, so that SetCapabilities still can choose what is left; execve clears the flag.  prctl(2),
// credentials(7)
Errno perform(const BecomeUser&, Stage& stage) noexcept {
  const User& user = stage.user;
  if (!stage.keeps_groups)
    if (const long rc = sys::setgroups(user.group_count, user.groups); rc < 0) return Errno(rc);
  if (const long rc = sys::prctl(PR_SET_KEEPCAPS, 1); rc < 0) return Errno(rc);
  if (const long rc = sys::setresgid(user.gid, user.gid, user.gid); rc < 0) return Errno(rc);
  if (const long rc = sys::setresuid(user.uid, user.uid, user.uid); rc < 0) return Errno(rc);
  return Errno(sys::prctl(PR_SET_KEEPCAPS, 0));
}

// Not through /proc/self/fd or its like: what is open here is ours, until execve (CVE-2024-21626). Where openat2 is
// missing, Verify alone says that the directory is one of the container's.
Errno perform(const ChangeDirectory& step, Stage& stage) noexcept {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_MAGICLINKS;
  const long opened = sys::openat2(AT_FDCWD, stage.plan.text(step.path), &how, sizeof how);
  const UniqueFd directory(opened);
  long rc = directory ? sys::fchdir(directory.get()) : opened;
  if (rc == -ENOSYS) rc = sys::chdir(stage.plan.text(step.path));
  return rc == -EACCES && step.may_fail ? Errno() : Errno(rc);
}

// An inheritable capability passes through any file that has it (CVE-2022-24769): that set and the ambient one are what
// was asked for, which by default is nothing. An ambient capability must be permitted and inheritable.
Errno perform(const SetCapabilities& step, Stage& stage) noexcept {
  if (!step.only_root || stage.user.uid == 0)
    stage.capabilities = {step.permitted, step.effective, step.inheritable, step.ambient};
  stage.holds_admin = step.for_filter;
  if (const long rc = sys::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL); rc < 0) return Errno(rc);
  Capabilities now = stage.capabilities;
  if (stage.holds_admin) now.permitted |= std::uint64_t{1} << CAP_SYS_ADMIN;
  if (const Errno error = set_capabilities(now); error) return error;
  for (unsigned long capability = 0; capability < 64; ++capability)
    if (now.ambient >> capability & 1)
      if (const long rc = sys::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability); rc < 0) return Errno(rc);
  return {};
}

}  // namespace convox::stage
