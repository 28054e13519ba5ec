#include "cli/text.h"

#include <algorithm>
#include <span>

#include "runtime/base/cat.h"

namespace convox::cli {
namespace {

struct Range {
  char32_t first, last;
};

// Unicode 15, Bidi_Control, and the separators that some terminals break lines at.
constexpr Range kUnsafe[] = {{0x61c, 0x61c}, {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069}};
constexpr Range kNoWidth[] = {{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},
                              {0x64b, 0x65f},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f},
                              {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}};
constexpr Range kWide[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xac00, 0xd7a3},
                           {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
                           {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

bool within(std::span<const Range> ranges, char32_t code) {
  return std::ranges::any_of(ranges, [&](const Range& range) { return code >= range.first && code <= range.last; });
}

std::string hexadecimal(char32_t number, int digits) {
  std::string text;
  while (digits-- > 0) text += "0123456789abcdef"[(number >> (4 * digits)) & 15];
  return text;
}

}  // namespace

Character first_character(std::string_view text) {
  if (text.empty()) return {};
  const auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  char32_t code = lead & (0x7fu >> size);
  for (std::size_t at = 1; at < size; ++at) {
    if ((byte(at) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(at) & 0x3f);
  }
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (lead < 0xc0 || lead > 0xf4 || code < least[size] || code > 0x10ffff || surrogate) return {};
  return {code, size};
}

std::string escaped(std::string_view text) {
  if (std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; })) return std::string(text);
  std::string made;
  while (!text.empty()) {
    const auto [code, size] = first_character(text);
    if (size == 0)
      made += cat("\\x", hexadecimal(static_cast<unsigned char>(text[0]), 2));
    else if (code == '\n')
      made += "\\n";
    else if (code == '\t')
      made += "\\t";
    else if (code == '\r')
      made += "\\r";
    else if (code < 0x20 || (code >= 0x7f && code < 0xa0))
      made += cat("\\x", hexadecimal(code, 2));
    else if (within(kUnsafe, code))
      made += cat("\\u", hexadecimal(code, 4));
    else
      made += text.substr(0, size);
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return made;
}

std::size_t display_width(std::string_view text) {
  if (std::ranges::all_of(text, [](char c) { return c >= 0; })) return text.size();  // ASCII
  std::size_t width = 0;
  while (!text.empty()) {
    const auto [code, size] = first_character(text);
    if (!within(kNoWidth, code)) width += within(kWide, code) ? 2 : 1;
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return width;
}

std::string fitted(std::string_view text, std::size_t columns) {
  if (text.size() <= columns || display_width(text) <= columns) return std::string(text);  // a byte is a column at most
  const std::string_view sign = std::string_view("..").substr(0, columns);
  std::size_t end = 0;
  for (std::size_t width = 0; end < text.size();) {
    const std::size_t size = std::max<std::size_t>(first_character(text.substr(end)).size, 1);
    width += display_width(text.substr(end, size));
    if (width + sign.size() > columns) break;
    end += size;
  }
  return cat(text.substr(0, end), sign);
}

}  // namespace convox::cli
