#include "runtime/terminal.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace convox::runtime {

// glibc's struct termios is not the kernel's, and its tcgetattr touches errno; both are fine here, on the host side
// alone.
bool is_terminal(int fd) {
  termios settings{};
  return ::tcgetattr(fd, &settings) == 0;
}

std::optional<TerminalSize> terminal_size(int fd) {
  winsize size{};
  if (sys::ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0) return std::nullopt;
  return TerminalSize{size.ws_row, size.ws_col};
}

std::optional<TerminalSize> users_terminal_size() {
  const auto size = terminal_size(STDOUT_FILENO);
  return size ? size : terminal_size(STDIN_FILENO);
}

Result<> set_terminal_size(int fd, TerminalSize size) {
  winsize window{size.rows, size.columns, 0, 0};
  TRY(check(sys::ioctl(fd, TIOCSWINSZ, &window), "ioctl", "TIOCSWINSZ"));
  return ok();
}

bool in_foreground(int terminal) {
  const pid_t group = ::tcgetpgrp(terminal);
  return group < 0 || group == sys::getpgid(0);
}

RawTerminal::RawTerminal(int fd) : fd_(fd), known_(::tcgetattr(fd, &saved_) == 0) {}

// TCSANOW, because TCSADRAIN waits for a terminal that may have stalled.
void RawTerminal::enter() {
  if (!known_) return;
  termios raw = saved_;
  ::cfmakeraw(&raw);
  entered_ |= ::tcsetattr(fd_, TCSANOW, &raw) == 0;
}

// Even when a shell has taken the terminal in the meantime; blocked, SIGTTOU does not stop us.
RawTerminal::~RawTerminal() {
  if (!entered_) return;
  constexpr unsigned long kStops = 1UL << (SIGTTOU - 1);
  unsigned long before = 0;
  sys::rt_sigprocmask(SIG_BLOCK, &kStops, &before);
  ::tcsetattr(fd_, TCSANOW, &saved_);
  sys::rt_sigprocmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace convox::runtime
