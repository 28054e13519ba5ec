// How is the whole terminal borrowed for a view that changes, and given back?
#pragma once
#include <string_view>

#include "runtime/terminal.h"

namespace convox::cli {

// The alternate screen, without a cursor, and keys as they are pressed. The destructor gives all of it back: what stood
// there before shows again. A terminal that takes no output (Ctrl-S) is waited for a second, then left as it is, so
// that a signal is always heard. xterm's "Private modes", 1049 and 25.
class Screen {
 public:
  // `keys`: standard input is the terminal too.
  explicit Screen(bool keys);
  ~Screen();
  Screen(const Screen&) = delete;

  void enter();  // and again, after a shell took the terminal for itself
  void show(std::string_view frame) const;

 private:
  runtime::RawTerminal raw_;
  bool keys_;
};

}  // namespace convox::cli
