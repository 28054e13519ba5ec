// How does the stage read a table of the kernel's, line by line?
#pragma once
#include <errno.h>
#include <fcntl.h>

#include "runtime/stage/stage.h"

namespace convox::stage {

// Cuts the part before `separator` off `text`; the whole text when there is none.
inline std::string_view cut(std::string_view* text, char separator) noexcept {
  const std::size_t end = text->find(separator);
  const std::string_view part = text->substr(0, end);
  *text = end == std::string_view::npos ? std::string_view() : text->substr(end + 1);
  return part;
}

inline bool parse_number(std::string_view digits, unsigned base, std::uint64_t* value) noexcept {
  *value = 0;
  for (const char c : digits) {
    const unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                           : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a') + 10
                                                  : base;
    if (digit >= base) return false;
    *value = *value * base + digit;
  }
  return !digits.empty();
}

inline char line_buffer[64 * 1024];  // a line of mountinfo names every layer of an overlay

// Calls `visit(line)` for each line of `name`, below stage.proc, until it says false.
template <class Visit>
Errno each_line(const Stage& stage, const char* name, Visit visit) noexcept {
  Errno error;
  const UniqueFd file = open_proc(stage, name, O_RDONLY, &error);
  if (!file) return error;
  std::size_t held = 0;
  for (;;) {
    const long got = sys::read(file.get(), line_buffer + held, sizeof line_buffer - held);
    if (got == -EINTR) continue;
    if (got < 0) return Errno(got);
    if (got == 0) return Errno(held ? -E2BIG : 0);
    held += static_cast<std::size_t>(got);
    std::string_view text(line_buffer, held);
    for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
      if (!visit(text.substr(0, end))) return {};
      text.remove_prefix(end + 1);
    }
    held = text.size();
    for (std::size_t i = 0; i < held; ++i) line_buffer[i] = text[i];  // to the front: the copy runs forward
  }
}

}  // namespace convox::stage
