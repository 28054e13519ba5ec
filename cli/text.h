// What may be shown on a terminal, and how wide is it there?
//
// Names, commands and messages come from images, manifests and other processes. A terminal obeys what it is shown: an
// escape sequence in a process's command line could retitle the window or answer on the user's behalf, and a bidi
// control could make a line read as another (CVE-2021-42574). So text of strangers is escaped before it goes into a
// table or a message. What a command inside a container prints is not text in this sense and is never touched.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace convox::cli {

// Control characters (C0, DEL, C1), bidi controls and line separators, and bytes that are not UTF-8, as \n, \t, \x1b,
// \u202e.
std::string escaped(std::string_view text);

// How many columns a terminal gives it. Combining marks take none, East Asian wide characters and most emoji two.
std::size_t display_width(std::string_view text);

// As much of it as fits into so many columns; what was cut off shows as "..".
std::string fitted(std::string_view text, std::size_t columns);

// The first character of UTF-8 text. `size` is 0 if no well-formed one stands there (RFC 3629: shortest form, no
// surrogates).
struct Character {
  char32_t code = 0;
  std::size_t size = 0;
};
Character first_character(std::string_view text);

}  // namespace convox::cli
