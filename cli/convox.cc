// The program `convox`: makes the process that it finds itself in fit for use, then dispatch.h.
//
// A caller hands over more than words: a umask, open (or missing) descriptors, signal dispositions, variables. Each of
// these has been a way to confuse programs that act for root. Read next: command.h, then any cmd_*.cc.
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "cli/dispatch.h"
#include "cli/output.h"
#include "runtime/base/result.h"

extern char** environ;

namespace convox::cli {
namespace {

// If 0, 1 or 2 were closed, the next file opened would take the number, and messages would be written into it.
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

constexpr int kUnfit = 125;  // whatever the command would have been

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

// A reader that went away is an error of write(2), after which there may be a container to stop. And an ignored
// SIGCHLD, which is inherited, would have the kernel reap our children before we can ask how they ended: wait(2),
// "ECHILD".
Result<> reset_signals() {
  TRY(set_action(SIGPIPE, SIG_IGN));
  return set_action(SIGCHLD, SIG_DFL);
}

// sudo keeps some of its user's variables. These lead programs that we start (convox-image) to files of that user.
void drop_foreign_environment() {
  if (!std::getenv("SUDO_UID")) return;
  constexpr std::string_view dropped[] = {"TMPDIR=", "HOME=", "XDG_", "LD_", "GCONV_PATH=", "LOCPATH="};
  std::vector<std::string> names;
  for (char** at = environ; *at; ++at)
    for (const std::string_view prefix : dropped)
      if (const std::string_view entry(*at); entry.starts_with(prefix))
        names.emplace_back(entry.substr(0, entry.find('=')));
  for (const std::string& name : names) ::unsetenv(name.c_str());
}

Result<> become_fit() {
  TRY(fill_standard_descriptors());
  TRY(reset_signals());
  sys::umask(077);
  // Set-user-id, the caller would choose our environment, limits and working directory (CVE-2026-41163 in bubblewrap).
  if (::getauxval(AT_SECURE)) return invalid("convox must not be set-user-id, nor have file capabilities");
  drop_foreign_environment();
  return ok();
}

int run(int argc, char** argv) {
  if (const Result<> fit = become_fit(); !fit) {
    print_error(error_line(fit.error()));
    return kUnfit;
  }
  // argc can be 0: execve(2) with an empty argv (CVE-2021-4034).
  return dispatch(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}

}  // namespace
}  // namespace convox::cli

int main(int argc, char** argv) {
#ifdef CONVOX_FAULTS
  convox::faults::start(environ, convox::faults::kHost);
#endif
  return convox::cli::run(argc, argv);
}
