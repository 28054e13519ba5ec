// How is text put together? cat("step ", 3, " of ", n): no locale, no format string, one allocation or two.
#pragma once
#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace convox {

inline void append(std::string& to, std::string_view text) { to += text; }
inline void append(std::string& to, char character) { to += character; }
template <std::integral Number>
void append(std::string& to, Number number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  to.append(digits, end);
}

template <class... Parts>
[[nodiscard]] std::string cat(const Parts&... parts) {
  std::string text;
  (append(text, parts), ...);
  return text;
}

}  // namespace convox
