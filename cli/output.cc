#include "cli/output.h"

#include <unistd.h>

#include <cstdlib>

#include "cli/text.h"
#include "runtime/base/fs.h"

namespace convox::cli {

Result<> print(std::string_view text) { return fs::write_all(STDOUT_FILENO, text, "standard output"); }

void print_error(std::string_view text) { (void)fs::write_all(STDERR_FILENO, text, "standard error"); }

bool colours() {
  static const bool wanted = [] {
    const char* no = std::getenv("NO_COLOR");  // no-color.org: set and not empty
    return ::isatty(STDOUT_FILENO) && !(no && *no);
  }();
  return wanted;
}

std::string paint(Colour colour, std::string_view text) {
  if (!colours() || text.empty()) return std::string(text);
  return cat("\033[38;5;", static_cast<int>(colour), "m", text, "\033[0m");
}

std::string error_line(const Error& error) {
  std::string text = escaped(error.text);
  if (!error.advice.empty()) text += cat("; ", escaped(error.advice));
  for (const std::string& line : error.more) text += cat("\n", escaped(line));
  if (!::isatty(STDERR_FILENO)) return cat("ERROR: ", text, "\n");
  return cat(paint(Colour::kErrorMark, "ERROR: "), paint(Colour::kError, text), "\n");
}

void warn(std::string_view text) { print_error(cat("WARNING: ", escaped(text), "\n")); }

}  // namespace convox::cli
