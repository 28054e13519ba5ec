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
// May we use it? Not as a job in the background, which the kernel stops when it changes a terminal's settings or reads
// from it (SIGTTOU, SIGTTIN). Where it is not our session's there is no job control.  tcgetpgrp(3), credentials(7)
bool in_foreground(int terminal);
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
  // Enters nothing yet. A terminal that fails is left alone: to read from it says so better.
  explicit RawTerminal(int fd);
  RawTerminal(const RawTerminal&) = delete;
  ~RawTerminal();
  void enter();  // and again, after a shell took the terminal for itself

 private:
  int fd_;
  termios saved_{};
  bool known_, entered_ = false;
};

}  // namespace convox::runtime
