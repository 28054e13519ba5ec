#include "runtime/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

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

Result<RawTerminal> RawTerminal::enter(int fd) {
  termios settings{};
  if (::tcgetattr(fd, &settings) != 0) return os_error("tcgetattr", "the terminal", Errno(-errno));
  const termios saved = settings;
  ::cfmakeraw(&settings);
  if (::tcsetattr(fd, TCSADRAIN, &settings) != 0) return os_error("tcsetattr", "the terminal", Errno(-errno));
  return RawTerminal(fd, saved);
}

RawTerminal::~RawTerminal() {
  if (fd_ >= 0) ::tcsetattr(fd_, TCSADRAIN, &saved_);
}

}  // namespace convox::runtime
