#include "runtime/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <iterator>

#include "runtime/base/fs.h"
#include "runtime/base/signal_sets.h"

namespace convox::runtime {
namespace {

constexpr int kEnding[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
constexpr int kOthers[] = {SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGWINCH};
constexpr int kOwn[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP, SIGSYS,
                        SIGABRT, SIGCHLD, SIGURG,  SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU};

constexpr unsigned long bit(int signal) { return 1UL << (signal - 1); }

}  // namespace

Result<SignalWatch> SignalWatch::start() {
  unsigned long mask = 0;
  for (const int signal : kEnding) mask |= bit(signal);
  for (const int signal : kOthers) mask |= bit(signal);
  return start(mask);
}

Result<SignalWatch> SignalWatch::start_all() {
  unsigned long mask = ~0UL;
  for (const int signal : kOwn) mask &= ~bit(signal);
  return start(mask);
}

Result<SignalWatch> SignalWatch::start(unsigned long mask) {
  TRY(check(sys::rt_sigprocmask(SIG_BLOCK, &mask, nullptr), "rt_sigprocmask", ""));
  return SignalWatch(UniqueFd(TRY(check(sys::signalfd4(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd4", ""))));
}

int next_signal(int watch) {
  signalfd_siginfo info{};
  return sys::read(watch, &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

bool asks_to_end(int signal) { return std::find(std::begin(kEnding), std::end(kEnding), signal) != std::end(kEnding); }

bool answers(int pid, int signal) {
  const auto status = fs::read(AT_FDCWD, cat("/proc/", pid, "/status"), 65536);
  return status && handles_or_blocks(*status, signal);
}

}  // namespace convox::runtime
