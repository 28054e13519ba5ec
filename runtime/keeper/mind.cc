// Who starts a payload again, and who ends what a dead client of `exec` left?
//
// A minder waits, then becomes convox: it decides nothing itself. It is not confined, because what it executes is the
// whole of convox; but no container ever writes a byte that it reads. A watcher only waits for a death.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include <initializer_list>

#include "runtime/keeper/keeper.h"

namespace convox::keeper {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

constexpr unsigned long bit(int signal) noexcept { return 1UL << (signal - 1); }

Errno set_action(int signal, unsigned long handler) noexcept {
  const struct { unsigned long handler, flags, restorer, mask; } action{handler, 0, 0, 0};
  return Errno(sys::rt_sigaction(signal, &action, nullptr));
}

std::int64_t now() noexcept {
  timespec time{};
  sys::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * kSecond + time.tv_nsec;
}

class Minder {
 public:
  explicit Minder(const Block& block) noexcept : block_(block), plan_(block.plan().mind) {}
  Errno live() noexcept;

 private:
  Errno take_signals() noexcept;
  Errno wait_for_keeper() noexcept;
  Errno wait_for_time() noexcept;
  Errno wait(int fd, std::int64_t nanoseconds) noexcept;
  void on_signals() noexcept;
  Errno execute() noexcept;

  const Block& block_;
  const Mind plan_;
  int signals_ = -1;
  unsigned long mask_ = 0;  // as convox had it
  bool ended_ = false;      // what `wait` waited for
  bool asked_ = false;      // by SIGTERM: to go on at once
};

Errno Minder::live() noexcept {
  const int kept[] = {0, 1, 2, plan_.keeper, plan_.claim, plan_.program};
  if (const Errno error = close_all_but(kept, sizeof kept / sizeof *kept); error) return error;
  if (const Errno error = take_signals(); error) return error;
  if (plan_.keeper >= 0)
    if (const Errno error = wait_for_keeper(); error) return error;
  if (plan_.delay > 0)
    if (const Errno error = wait_for_time(); error) return error;
  return execute();
}

// HUP and INT are ignored and not blocked: what is ignored is not pending when convox takes signals again.
Errno Minder::take_signals() noexcept {
  for (const int signal : {SIGHUP, SIGINT})
    if (const Errno error = set_action(signal, 1 /* SIG_IGN */); error) return error;
  if (const Errno error = set_action(SIGCHLD, 0 /* SIG_DFL */); error) return error;
  const unsigned long mask = bit(SIGTERM) | bit(SIGCHLD);
  if (const long rc = sys::rt_sigprocmask(SIG_BLOCK, &mask, &mask_); rc < 0) return Errno(rc);
  signals_ = static_cast<int>(sys::signalfd4(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  return Errno(signals_);
}

Errno Minder::wait_for_keeper() noexcept {
  while (!ended_)
    if (const Errno error = wait(plan_.keeper, -1); error) return error;
  on_signals();
  sys::close(plan_.keeper);
  return {};
}

// Back-off before the next start. SIGTERM is `ps stop`: convox is to see now that it shall not start again.
Errno Minder::wait_for_time() noexcept {
  const std::int64_t until = now() + plan_.delay;
  for (std::int64_t left = plan_.delay; left > 0 && !asked_; left = until - now())
    if (const Errno error = wait(-1, left); error) return error;
  return {};
}

// Until `fd` is readable, a signal comes, or so much time has passed; -1: for ever.
Errno Minder::wait(int fd, std::int64_t nanoseconds) noexcept {
  pollfd fds[2] = {{signals_, POLLIN, 0}, {fd, POLLIN, 0}};
  timespec timeout{nanoseconds / kSecond, nanoseconds % kSecond};
  const long ready = sys::ppoll(fds, 2, nanoseconds < 0 ? nullptr : &timeout);
  if (ready == -EINTR) return {};
  if (ready < 0) return Errno(ready);
  if (fds[0].revents) on_signals();
  ended_ = fds[1].revents != 0;
  return {};
}

// Reaps whoever ended: the keeper, and what the launcher may have left us as children.
void Minder::on_signals() noexcept {
  signalfd_siginfo info{};
  while (sys::read(signals_, &info, sizeof info) > 0)
    if (info.ssi_signo == SIGTERM) asked_ = true;
  siginfo_t child{};
  do child.si_pid = 0;
  while (sys::waitid(P_ALL, 0, &child, WEXITED | WNOHANG) == 0 && child.si_pid != 0);
}

// The claim stays open across it, and so locked.
Errno Minder::execute() noexcept {
  const std::size_t count = std::size_t{plan_.argc} + plan_.envc;
  const std::string_view texts = block_.bytes(plan_.texts_at, plan_.texts_size);
  const long at =
      sys::mmap(nullptr, (count + 2) * sizeof(char*), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at < 0 && at > -4096) return Errno(at);
  auto** argv = reinterpret_cast<char**>(at);
  char** envp = argv + plan_.argc + 1;
  std::size_t text = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t end = texts.find('\0', text);
    if (end == std::string_view::npos) return Errno(-EINVAL);
    (i < plan_.argc ? argv + i : envp + (i - plan_.argc))[0] = const_cast<char*>(texts.data() + text);
    text = end + 1;
  }
  for (const int signal : {SIGHUP, SIGINT})
    if (const Errno error = set_action(signal, 0); error) return error;
  if (const long rc = sys::rt_sigprocmask(SIG_SETMASK, &mask_, nullptr); rc < 0) return Errno(rc);
  if (plan_.claim >= 0)
    if (const long rc = sys::fcntl(plan_.claim, F_SETFD, 0); rc < 0) return Errno(rc);
  if (const long rc = sys::fcntl(plan_.program, F_SETFD, FD_CLOEXEC); rc < 0) return Errno(rc);
  return Errno(sys::execveat(plan_.program, "", argv, envp, AT_EMPTY_PATH));
}

}  // namespace

Errno mind(Block& block) noexcept { return Minder(block).live(); }

// A client that is stopped (SIGSTOP, or Ctrl-Z in its shell) asks nobody for the status of its command. As long as that
// one is a zombie its PID namespace cannot go, and `ps stop` waits in vain; so when the group is empty, the client is
// told to go on. To one that runs SIGCONT means nothing.  pid_namespaces(7)
Errno watch(Block& block) noexcept {
  const Watch plan = block.plan().watch;
  const int kept[] = {plan.client, plan.cgroup_kill, plan.cgroup_events};
  if (const Errno error = close_all_but(kept, sizeof kept / sizeof *kept); error) return error;
  if (const Errno error = block_signals(); error) return error;
  if (const Errno error = drop_capabilities(0); error) return error;
  const Filter filter = block.plan().filter;
  if (const Errno error = load_filter(block.bytes(filter.at, filter.size)); error) return error;
  pollfd fds[2] = {{plan.client, POLLIN, 0}, {plan.cgroup_events, POLLPRI, 0}};
  for (;;) {
    char text[64];  // a poll tells of changes since the last read
    const long size = sys::pread(plan.cgroup_events, text, sizeof text, 0);
    const std::string_view events(text, size > 0 ? static_cast<std::size_t>(size) : 0);
    if (fds[1].revents && events.find("populated 0") != std::string_view::npos)
      sys::pidfd_send_signal(plan.client, SIGCONT);
    if (size < 0) fds[1].fd = -1;  // the group is gone
    const long ready = sys::ppoll(fds, 2, nullptr);
    if (ready > 0 && fds[0].revents) break;
  }
  sys::write(plan.cgroup_kill, "1", 1);
  sys::exit_group(0);
}

}  // namespace convox::keeper
