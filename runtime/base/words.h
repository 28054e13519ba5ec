// How is the kernel's text taken apart? Without copies: views into it, a piece at a time.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace convox {

// Cuts the text up to the first `separator` off the front of `rest`, and drops the separator. Without one: all of it.
inline std::string_view cut(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view front = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return front;
}

// The whole text as a number that is not negative, or nothing.
inline std::optional<std::uint64_t> number(std::string_view text, int base = 10) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

// The decimal number that `text` begins with, "12", "1.5" or ".5", which is taken off; negative if there is none.
inline double take_decimal(std::string_view& text) {
  double value = 0, scale = 1;
  bool digits = false, fraction = false;
  for (; !text.empty(); text.remove_prefix(1)) {
    if (text[0] == '.' && !fraction) {
      fraction = true;
    } else if (text[0] >= '0' && text[0] <= '9') {
      digits = true;
      if (fraction) scale /= 10;
      value = fraction ? value + (text[0] - '0') * scale : value * 10 + (text[0] - '0');
    } else {
      break;
    }
  }
  return digits ? value : -1;
}

}  // namespace convox
