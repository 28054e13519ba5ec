#include "runtime/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "runtime/base/fs.h"

namespace convox::runtime {
namespace {

constexpr int kEnding[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
constexpr int kOthers[] = {SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGWINCH};

}  // namespace

Result<SignalWatch> SignalWatch::start() {
  unsigned long mask = 0;
  for (const int signal : kEnding) mask |= 1UL << (signal - 1);
  for (const int signal : kOthers) mask |= 1UL << (signal - 1);
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
  if (!status) return false;
  const std::uint64_t wanted = std::uint64_t{1} << (signal - 1);
  for (const std::string_view key : {"\nSigCgt:\t", "\nSigBlk:\t"}) {  // our own init waits for signals that it blocks
    const std::size_t at = status->find(key);
    std::uint64_t set = 0;
    if (at == std::string::npos) continue;
    for (std::size_t i = at + key.size(); i < status->size() && (*status)[i] != '\n'; ++i)
      set = set << 4 | static_cast<std::uint64_t>((*status)[i] <= '9' ? (*status)[i] - '0' : (*status)[i] - 'a' + 10);
    if (set & wanted) return true;
  }
  return false;
}

}  // namespace convox::runtime
