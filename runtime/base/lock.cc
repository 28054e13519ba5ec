#include "runtime/base/lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <time.h>

#include "runtime/base/fs.h"

namespace convox {
namespace {

int operation(LockKind kind) { return kind == LockKind::kShared ? LOCK_SH : LOCK_EX; }

// flock(2) knows no timeout, but a signal with a handler ends it with EINTR. The timer repeats: a single shot that
// fires just before flock blocks would be lost, and the wait would have no end.
class Alarm {
 public:
  explicit Alarm(int seconds) {
    // libc's sigaction, not sys::, because the kernel wants a return trampoline that libc owns.  sigreturn(2)
    struct sigaction action {};
    action.sa_handler = [](int) {};  // without SA_RESTART: flock must not be taken up again by the kernel
    ::sigaction(SIGALRM, &action, &before_);
    const itimerval timer{{0, 100'000}, {seconds, 0}};
    sys::setitimer(ITIMER_REAL, &timer);
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  ~Alarm() {
    const itimerval off{};
    sys::setitimer(ITIMER_REAL, &off);
    ::sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  struct sigaction before_ {};
};

long now() {
  timespec time{};
  sys::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec;
}

// A line of /proc/locks: "1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF"; the device in hex, the inode in decimal.
// proc(5)
std::string holder(int fd) {
  struct stat st {};
  auto locks = fs::read(AT_FDCWD, "/proc/locks", 1u << 20);
  if (!locks || sys::newfstatat(fd, "", &st, AT_EMPTY_PATH) < 0) return "";
  const std::string inode = cat(":", st.st_ino, " ");
  for (std::size_t at = 0; at < locks->size();) {
    const std::size_t end = std::min(locks->find('\n', at), locks->size());
    const std::string_view line(locks->data() + at, end - at);
    at = end + 1;
    const std::size_t place = line.find(inode);
    if (place == std::string_view::npos || line.find("->") != std::string_view::npos) continue;
    const std::string_view head = line.substr(0, line.rfind(' ', place));
    return cat(" by process ", head.substr(head.rfind(' ') + 1));
  }
  return "";
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
  const long deadline = now() + seconds;
  const Alarm alarm(seconds);
  long got = 0;
  do got = sys::flock(fd, operation(kind));
  while (got == -EINTR && now() < deadline);
  if (got == -EINTR)
    return Error{Error::Kind::kSystem, EAGAIN, cat(what, " is locked", holder(fd), ", waited ", seconds, " s"), {}};
  TRY(check(got, "flock", what));
  return ok();
}

}  // namespace convox
