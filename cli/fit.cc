#include "cli/fit.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

namespace convox::cli {
namespace {

// What rt_sigaction(2) reads. `restorer` is for handlers only.
struct KernelAction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  unsigned long mask;
};

Result<> set_action(int signal, void (*handler)(int)) {
  const KernelAction action{handler, 0, nullptr, 0};
  TRY(check(sys::rt_sigaction(signal, &action, nullptr), "rt_sigaction", cat(signal)));
  return ok();
}

}  // namespace

Result<> fill_standard_descriptors() {
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
    const long open = sys::fcntl(fd, F_GETFD);
    if (open == -EBADF)  // takes the lowest free number
      TRY(check(sys::openat(AT_FDCWD, "/dev/null", O_RDWR), "open", "/dev/null"));
    else
      TRY(check(open, "fcntl", cat(fd)));
  }
  return ok();
}

Result<> reset_signals() {
  TRY(set_action(SIGPIPE, SIG_IGN));
  return set_action(SIGCHLD, SIG_DFL);
}

}  // namespace convox::cli
