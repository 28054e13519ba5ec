#include "runtime/base/lock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <ctime>

#include "runtime/base/fs.h"

namespace convox {
namespace {

int operation(LockKind kind) { return kind == LockKind::kShared ? LOCK_SH : LOCK_EX; }

// flock(2) knows no deadline, and a signal that should interrupt it can come just before it sleeps and be lost. So a
// child sleeps in it: the lock belongs to the open file, not to the process, and is ours when the child has it. The
// child's end can be waited for with a deadline, and a kill cannot come too early.
long wait_for(int fd, LockKind kind, int seconds) {
  int raw_pidfd = -1;
  const long child = sys::fork(&raw_pidfd);
  if (child < 0) return child;
  if (child == 0) {
    long rc = sys::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (rc < 0) sys::exit_group(1);
    do rc = sys::flock(fd, operation(kind));
    while (rc == -EINTR);
    sys::exit_group(rc < 0 ? 1 : 0);
  }
  const UniqueFd pidfd(raw_pidfd);
  pollfd end{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  timespec left{.tv_sec = seconds, .tv_nsec = 0};  // the call counts it down, so EINTR needs no clock: ppoll(2)
  long ready = 0;
  do ready = sys::ppoll(&end, 1, &left);
  while (ready == -EINTR);
  if (ready <= 0) sys::pidfd_send_signal(pidfd.get(), SIGKILL);
  siginfo_t info{};
  long waited = 0;
  do waited = sys::waitid(P_PIDFD, pidfd.get(), &info, WEXITED | __WALL);
  while (waited == -EINTR);
  if (waited < 0) return waited;
  return info.si_code == CLD_EXITED && info.si_status == 0 ? 0 : -ETIMEDOUT;
}

// " by process 4711", or nothing where it cannot be told: the process that took the lock may have handed it on and
// ended.
std::string holder(int fd) {
  struct stat st {};
  if (sys::newfstatat(fd, "", &st, AT_EMPTY_PATH) < 0) return {};
  const Result<std::string> locks = fs::read(AT_FDCWD, "/proc/locks", 8u << 20);
  if (!locks) return {};
  // "1: FLOCK  ADVISORY  WRITE 4711 fe:00:123 0 EOF"; a second field "->" marks one that waits.  proc(5)
  char device_and_inode[64];
  std::snprintf(device_and_inode, sizeof device_and_inode, " %02x:%02x:%lu ", major(st.st_dev), minor(st.st_dev),
                static_cast<unsigned long>(st.st_ino));
  for (std::size_t at = 0; at < locks->size();) {
    const std::size_t end = std::min(locks->find('\n', at), locks->size());
    const std::string_view line(locks->data() + at, end - at);
    at = end + 1;
    const std::size_t found = line.find(device_and_inode);
    if (found == std::string_view::npos || line.find("->") != std::string_view::npos) continue;
    const std::string pid(line.substr(line.rfind(' ', found - 1) + 1, found - line.rfind(' ', found - 1) - 1));
    if (sys::faccessat2(AT_FDCWD, cat("/proc/", pid).c_str(), 0, 0) == 0) return cat(" by process ", pid);
  }
  return {};
}

}  // namespace

Result<bool> try_lock(int fd, LockKind kind, std::string_view what) {
  const long got = sys::flock(fd, operation(kind) | LOCK_NB);
  if (got == -EWOULDBLOCK) return false;
  TRY(check(got, "flock", what));
  return true;
}

Result<> lock(int fd, LockKind kind, std::string_view what, int seconds) {
  if (TRY(try_lock(fd, kind, what))) return ok();
  const long got = wait_for(fd, kind, seconds);
  if (got == -ETIMEDOUT)
    return Error{
        Error::Kind::kSystem, ETIMEDOUT, cat(what, " is locked", holder(fd), ", for ", seconds, " seconds"), {}};
  TRY(check(got, "flock", what));
  return ok();
}

}  // namespace convox
