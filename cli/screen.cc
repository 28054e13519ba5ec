#include "cli/screen.h"

#include <unistd.h>

#include <chrono>

#include "runtime/stream.h"

namespace convox::cli {
namespace {

constexpr std::chrono::seconds kPatience{1};

}  // namespace

Screen::Screen(bool keys) : raw_(STDIN_FILENO), keys_(keys) { enter(); }

void Screen::enter() {
  if (keys_) raw_.enter();
  show("\033[?1049h\033[?25l");
}

void Screen::show(std::string_view frame) const { runtime::offer(STDOUT_FILENO, frame, kPatience); }

Screen::~Screen() { show("\033[?25h\033[?1049l"); }

}  // namespace convox::cli
