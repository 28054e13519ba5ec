// How does convox write on its own standard output and error?
//
// One write for each call, without a buffer in between: what a container prints on the same descriptors then stands
// where it belongs. Colours are Convox's, and only where somebody looks at them: standard output is a terminal and
// NO_COLOR is not set.
#pragma once
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::cli {

Result<> print(std::string_view text);    // standard output
void print_error(std::string_view text);  // standard error; if that fails there is nobody to tell

enum class Colour {
  kOk = 46,
  kHeader = 244,
  kValue = 251,
  kErrorMark = 124,
  kError = 203,
  kApp = 39,
  kRelease = 24,
  kService = 33
};

bool colours();
// `text`, in the colour if `colours()`. Widths are counted before painting.
std::string paint(Colour colour, std::string_view text);

// "ERROR: text" and, behind "; ", what can be done about it; escaped, with one line more for each further problem.
std::string error_line(const Error& error);
// "WARNING: text\n" on standard error.
void warn(std::string_view text);

}  // namespace convox::cli
