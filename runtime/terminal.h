// How is the user's terminal borrowed, and given back?
#pragma once
#include <termios.h>

#include <cstdint>
#include <optional>

#include "runtime/base/result.h"

namespace convox::runtime {

struct TerminalSize {
  std::uint16_t rows = 0, columns = 0;
};

bool is_terminal(int fd);
// Nothing if `fd` is no terminal, or one that does not know.
std::optional<TerminalSize> terminal_size(int fd);
// Of the terminal that the user looks at: standard output's, or else standard input's.
std::optional<TerminalSize> users_terminal_size();
Result<> set_terminal_size(int fd, TerminalSize size);

// Raw mode: keys go to the container's terminal as they are, Ctrl-C too; that one does the echoing and the line
// editing. The destructor restores what was there, so every way out that unwinds a scope gives the terminal back.
// termios(3)
class RawTerminal {
 public:
  static Result<RawTerminal> enter(int fd);
  RawTerminal(RawTerminal&& other) noexcept : fd_(other.fd_), saved_(other.saved_) { other.fd_ = -1; }
  RawTerminal& operator=(RawTerminal&&) = delete;
  ~RawTerminal();

 private:
  RawTerminal(int fd, const termios& saved) : fd_(fd), saved_(saved) {}
  int fd_;
  termios saved_;
};

}  // namespace convox::runtime
