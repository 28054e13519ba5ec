// How does the stage make itself a clean process, with a terminal and limits?
#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/stat.h>
#include <sys/socket.h>
#include <sys/statfs.h>

#include "runtime/stage/stage.h"

namespace convox::stage {
namespace {

constexpr int kSignals = 64;
constexpr int kKill = 9, kStop = 19;          // the two whose action cannot be set: sigaction(2)
constexpr unsigned kPtySlaveMajor = 136;      // Documentation/admin-guide/devices.txt
constexpr unsigned long kTimerSlack = 50000;  // nanoseconds, what PID 1 of the host starts with: prctl(2)

// The group stays: that of a terminal is `tty`, whom write(1) serves.
long give_to_user(const Stage& stage, int fd) noexcept {
  return sys::fchown(fd, stage.user.uid, static_cast<unsigned>(-1));
}

// An id without a mapping where the file comes from, a file of somebody else's, a read-only file system.
bool cannot_be_given(long rc) noexcept { return rc == -EINVAL || rc == -EPERM || rc == -EROFS; }

}  // namespace

Errno perform(const StartSession&, Stage&) noexcept { return Errno(sys::setsid()); }

// Keys are found by name through the session keyring, and keyrings have no namespace: without one of its own the
// payload would search the caller's. Only whoever possesses it may use it (0x3f000000: all for the possessor).
// keyctl(2)
Errno perform(const NewKeyring& step, Stage& stage) noexcept {
  const char* name = stage.plan.text(step.name);
  const long ring = sys::keyctl(KEYCTL_JOIN_SESSION_KEYRING, reinterpret_cast<unsigned long>(name));
  if (ring == -ENOSYS) return {};  // a kernel without keyrings has nothing to share
  if (ring < 0) return Errno(ring);
  constexpr unsigned long all_of_possessor = 0x3f000000, search_of_user = 0x00080000;  // keyctl_setperm(3)
  const unsigned long rights = step.joinable ? all_of_possessor | search_of_user : all_of_possessor;
  return Errno(sys::keyctl(KEYCTL_SETPERM, static_cast<unsigned long>(ring), rights));
}

// Execve keeps ignored signals, the mask, the personality and more. A nohup'ed or niced caller must not shape the
// payload.
Errno perform(const CleanSlate& step, Stage& stage) noexcept {
  struct {
    unsigned long handler, flags, restorer, mask;
  } by_default{};
  for (int signal = 1; signal <= kSignals; ++signal)
    if (signal != kKill && signal != kStop)
      if (const long rc = sys::rt_sigaction(signal, &by_default, nullptr); rc < 0) return Errno(rc);
  const unsigned long none = 0;
  if (const long rc = sys::rt_sigprocmask(2 /* SIG_SETMASK */, &none, nullptr); rc < 0) return Errno(rc);
  sys::umask(step.umask);
  stage.umask = step.umask;
  if (const long rc = sys::personality(0); rc < 0) return Errno(rc);
  return Errno(sys::prctl(PR_SET_TIMERSLACK, kTimerSlack));
}

// The host side's mounts come as one packet of descriptors. Their number is part of the plan: one too few or too many,
// and slot n would be another mount than the plan says.
Errno perform(const Receive& step, Stage& stage) noexcept {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof stage.slots)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  long got = 0;
  do got = sys::recvmsg(stage.socket, &message, MSG_CMSG_CLOEXEC);
  while (got == -EINTR);
  if (got < 0) return Errno(got);
  if (got == 0) return Errno(-ECONNRESET);  // the host side is gone
  std::uint32_t& count = stage.slot_count;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const auto* fds = reinterpret_cast<const int*>(CMSG_DATA(part));
    for (std::size_t n = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int), i = 0; i < n && count < kMaxSlots; ++i)
      stage.slots[count++] = fds[i];
  }
  return Errno(count == step.slots && !(message.msg_flags & MSG_CTRUNC) ? 0 : -EPROTO);
}

// The terminal is a pty of the container's own devpts, never the user's: TIOCSTI on the user's would type commands into
// the shell that started us (CVE-2017-5226). The slave comes from the master by ioctl, not by a /dev/pts name that the
// image could have prepared (CVE-2025-52565).  ioctl_tty(2), pty(7)
Errno perform(const OpenConsole& step, Stage& stage) noexcept {
  Errno error;
  const UniqueFd master = open_inside(stage, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, true, &error);
  if (!master) return error;
  struct statfs fs {};
  if (const long rc = sys::fstatfs(master.get(), &fs); rc < 0) return Errno(rc);
  if (static_cast<unsigned long>(fs.f_type) != DEVPTS_SUPER_MAGIC) return Errno(-ENOTTY);
  int locked = 0;
  if (const long rc = sys::ioctl(master.get(), TIOCSPTLCK, &locked); rc < 0) return Errno(rc);
  const long peer = sys::ioctl(master.get(), TIOCGPTPEER, long{O_RDWR | O_NOCTTY | O_CLOEXEC});
  if (peer < 0) return Errno(peer);
  const UniqueFd slave(peer);
  struct statx st {};
  if (const long rc = sys::statx(slave.get(), "", AT_EMPTY_PATH, STATX_TYPE, &st); rc < 0) return Errno(rc);
  if ((st.stx_mode & S_IFMT) != S_IFCHR || st.stx_rdev_major != kPtySlaveMajor) return Errno(-ENOTTY);

  if (step.as_console) {
    const UniqueFd console = open_target(stage, "/dev/console", Target::kFile, &error);
    if (!console) return error;
    if (error = bind_console(stage, slave.get(), console); error) return error;
  }
  if (const long rc = sys::ioctl(slave.get(), TIOCSCTTY, 0L); rc < 0) return Errno(rc);
  for (int fd = 0; fd < 3; ++fd)
    if (const long rc = sys::dup3(slave.get(), fd, 0); rc < 0) return Errno(rc);
  if (const long rc = give_to_user(stage, slave.get()); rc < 0 && !cannot_be_given(rc)) return Errno(rc);
  stage.report({.kind = Report::kConsole}, master.get());
  return {};
}

namespace {

bool is_null(const struct statx& st) noexcept {
  return (st.stx_mode & S_IFMT) == S_IFCHR && st.stx_rdev_major == 1 && st.stx_rdev_minor == 3;
}

// The container's own /dev/null. Whatever else stands in its place, a file that grows or a pipe that nobody reads, is
// not what was asked for.  null(4)
UniqueFd open_null(Stage& stage, Errno* error) noexcept {
  UniqueFd null = open_inside(stage, "/dev/null", O_RDWR | O_NOCTTY, true, error);
  if (!null) return null;
  struct statx st {};
  if (const long rc = sys::statx(null.get(), "", AT_EMPTY_PATH, STATX_TYPE, &st); rc < 0)
    *error = Errno(rc);
  else if (!is_null(st))
    *error = Errno(-ENODEV);
  else
    return null;
  return {};
}

// What the caller gave us as its null device is a file of the host, and of a mount that the container does not have:
// CRIU could not say where it is. A container without a /dev/null of its own, or that may not open it, keeps it.
Errno exchange_null(Stage& stage, int fd) noexcept {
  Errno error;
  const UniqueFd null = open_null(stage, &error);
  if (null) return Errno(sys::dup3(null.get(), fd, 0));
  const bool has_none = error.value == ENOENT || error.value == ENOTDIR || error.value == ENODEV;
  return has_none || error.value == EACCES || error.value == EPERM ? Errno() : error;
}

}  // namespace

// The host's would be a descriptor of the host's.
Errno perform(const OpenNull&, Stage& stage) noexcept {
  Errno error;
  const UniqueFd null = open_null(stage, &error);
  if (!null) return error;
  for (int fd = 0; fd < 3; ++fd)
    if (const long rc = sys::dup3(null.get(), fd, 0); rc < 0) return Errno(rc);
  return {};
}

// Opening /dev/stdout opens the pipe or the terminal again, as the payload's user: it must be theirs. What the host
// side made it gave to the container's root beforehand, an owner that means something in here. What the caller gave us
// may be a device, which is not ours to give away.
Errno perform(const OwnStdio& step, Stage& stage) noexcept {
  for (int fd = 0; fd < 3; ++fd) {
    if (step.inherited) {
      struct statx st {};
      if (const long rc = sys::statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_UID, &st); rc < 0) return Errno(rc);
      if (is_null(st))
        if (const Errno error = exchange_null(stage, fd); error) return error;
      if ((st.stx_mode & S_IFMT) == S_IFCHR || st.stx_uid == stage.user.uid) continue;
    }
    const long rc = give_to_user(stage, fd);
    if (rc < 0 && !(step.inherited && cannot_be_given(rc))) return Errno(rc);
  }
  return {};
}

// Raising a hard limit needs CAP_SYS_RESOURCE of the initial user namespace; so where a limit is not asked for exactly,
// the caller's caps it.  getrlimit(2)
Errno perform(const SetLimit& step, Stage& stage) noexcept {
  if (step.resource >= kMaxLimits) return Errno(-EINVAL);
  rlimit64 limit{step.soft, step.hard};
  if (!step.exact) {
    rlimit64 now{};
    if (const long rc = sys::prlimit64(0, static_cast<int>(step.resource), nullptr, &now); rc < 0) return Errno(rc);
    if (now.rlim_max < limit.rlim_max) limit.rlim_max = now.rlim_max;
    if (limit.rlim_max < limit.rlim_cur) limit.rlim_cur = limit.rlim_max;
  }
  stage.limits[step.resource] = {true, limit.rlim_cur, limit.rlim_max};
  return Errno(sys::prlimit64(0, static_cast<int>(step.resource), &limit, nullptr));
}

Errno perform(const SetScheduler& step, Stage&) noexcept {
  const struct {  // sched_setattr(2); neither libc has it
    std::uint32_t size, policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime, deadline, period;
  } attributes{48, step.policy, step.flags, step.nice, step.priority, step.runtime, step.deadline, step.period};
  static_assert(sizeof attributes == 48);  // SCHED_ATTR_SIZE_VER0
  return Errno(sys::sched_setattr(0, &attributes));
}

Errno perform(const SetIoPriority& step, Stage&) noexcept {
  return Errno(sys::ioprio_set(1 /* IOPRIO_WHO_PROCESS */, 0, static_cast<int>(step.value)));
}

Errno perform(const SetPersonality& step, Stage&) noexcept { return Errno(sys::personality(step.value)); }

// The kernel takes one bit less than it is told.  set_mempolicy(2), get_nodes()
Errno perform(const SetMemoryPolicy& step, Stage& stage) noexcept {
  const bool has_nodes = step.nodes.size > 0;
  return Errno(sys::set_mempolicy(static_cast<int>(step.mode), has_nodes ? stage.plan.text(step.nodes) : nullptr,
                                  has_nodes ? std::size_t{step.nodes.size} * 8 + 1 : 0));
}

// After the ids: a change of ids clears it. The host side's death before this line shows as a failing `ready` packet.
Errno perform(const DieWithParent&, Stage&) noexcept { return Errno(sys::prctl(PR_SET_PDEATHSIG, kKill)); }

}  // namespace convox::stage
