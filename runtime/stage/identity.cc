// How does the stage become the payload's user, with no more than the payload's rights?
//
// The order is the plan's: no_new_privs, bounding set, ids, capabilities. Each is one kernel rule: a bounding set can
// only be dropped with CAP_SETPCAP, ids only change with CAP_SETUID, and what is left of the capabilities goes last.
// capabilities(7)
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
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

}  // namespace

Errno perform(const ResolveUser& step, Stage& stage) noexcept {
  std::string_view passwd, group;
  if (const Errno error = read_account_file(stage, "/etc/passwd", &passwd); error) return error;
  if (const Errno error = read_account_file(stage, "/etc/group", &group); error) return error;
  if (const Errno error = look_up(stage.plan.view(step.user), passwd, group, &stage.user); error) return error;
  if (step.never_root && stage.user.uid == 0) return Errno(-EPERM);
  if (stage.user.uid > step.largest_id || stage.user.gid > step.largest_id) return Errno(-ERANGE);
  const std::string_view home = stage.user.home.empty() || stage.user.home[0] != '/' ? "/" : stage.user.home;
  char* out = stage.home;
  for (const char c : std::string_view("HOME=")) *out++ = c;
  for (const char c : home) *out++ = c;
  *out = '\0';
  return {};
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
  if (const long rc = sys::setgroups(user.group_count, user.groups); rc < 0) return Errno(rc);
  if (const long rc = sys::prctl(PR_SET_KEEPCAPS, 1); rc < 0) return Errno(rc);
  if (const long rc = sys::setresgid(user.gid, user.gid, user.gid); rc < 0) return Errno(rc);
  if (const long rc = sys::setresuid(user.uid, user.uid, user.uid); rc < 0) return Errno(rc);
  return Errno(sys::prctl(PR_SET_KEEPCAPS, 0));
}

Errno perform(const ChangeDirectory& step, Stage& stage) noexcept {
  const long rc = sys::chdir(stage.plan.text(step.path));
  return rc == -EACCES && step.may_fail ? Errno() : Errno(rc);
}

// Inheritable and ambient stay empty: an inheritable capability passes through any file that has it (CVE-2022-24769).
Errno perform(const SetCapabilities& step, Stage& stage) noexcept {
  stage.capabilities = stage.user.uid == 0 ? step.root_holds : 0;
  if (const long rc = sys::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL); rc < 0) return Errno(rc);
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  const auto low = static_cast<std::uint32_t>(stage.capabilities);
  const auto high = static_cast<std::uint32_t>(stage.capabilities >> 32);
  const __user_cap_data_struct data[2] = {{low, low, 0}, {high, high, 0}};
  return Errno(sys::capset(&head, data));
}

}  // namespace convox::stage
