// A terminal is shown text and colours, and nothing that it would obey.
#include "cli/log_view.h"

#include <criterion/criterion.h>

#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::cli;

#define ESC "\x1b"
#define RESET ESC "[0m"
#define BAD "\xef\xbf\xbd"

Test(log_view, leaves_a_terminal_nothing_but_text_and_colours) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"plain", "plain"},
      {"", ""},
      {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xb3", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xb3"},
      {"tab\tstays", "tab\tstays"},
      // Colours stay, and end with the line.
      {ESC "[31mred" ESC "[0m", ESC "[31mred" ESC "[0m" RESET},
      {ESC "[1;38;2;1;2;3mrgb", ESC "[1;38;2;1;2;3mrgb" RESET},
      {ESC "[4:3mcurly" ESC "[m", ESC "[4:3mcurly" ESC "[m" RESET},
      // The other control sequences go: moving, clearing, modes, reports, keys.
      {"a" ESC "[2J" ESC "[1;1Hb", "ab"},
      {"a" ESC "[?25lb", "ab"},
      {"a" ESC "[6nb", "ab"},
      {"a" ESC "[>4;2mb", "ab"},
      {"a" ESC "[ qb", "ab"},
      {"a" ESC "[", "a"},
      {"a" ESC "[31", "a"},
      {"a" ESC "[3\x01mb", "amb"},
      // Strings go with all that they say, up to ST or BEL or the end of the line.
      {"a" ESC "]0;title\x07"
       "b",
       "ab"},
      {"a" ESC "]52;c;cm0gLXJm" ESC "\\b", "ab"},
      {"a" ESC "]8;;http://x" ESC "\\link" ESC "]8;;" ESC "\\", "alink"},
      {"a" ESC "P+q544e" ESC "\\b", "ab"},
      {"a" ESC "_apc" ESC "\\b", "ab"},
      {"a" ESC "^pm" ESC "\\b", "ab"},
      {"a" ESC "Xsos" ESC "\\b", "ab"},
      {"a" ESC "]0;never ended", "a"},
      {"a" ESC "]0;t" ESC "[31mstill the title" ESC "\\b", "ab"},
      // Two-character sequences and character sets.
      {"a" ESC "cb", "ab"},
      {"a" ESC "7" ESC "8b", "ab"},
      {"a" ESC "(0b", "ab"},
      {"a" ESC, "a"},
      // C1, in eight bits and in UTF-8.
      {"a\x9b"
       "2Jb",
       "ab"},
      {"a\x9d"
       "0;title\x07"
       "b",
       "ab"},
      {"a\xc2\x9b"
       "2Jb",
       "ab"},
      {"a\xc2\x90"
       "dcs\xc2\x9c"
       "b",
       "ab"},
      {"a\x85"
       "b",
       "ab"},
      {"a\xc2\x85"
       "b",
       "ab"},
      {"a\x9b"
       "31mred",
       "a" ESC "[31mred" RESET},
      // C0: bells ring, backspaces erase what is true, and a return begins the line anew.
      {"a\x07\x08\x0b\x0c\x0e\x0f\x7f"
       "b",
       "ab"},
      {{"a\0b", 3}, "ab"},
      {"12%\r100%\r", "12% 100%"},
      {"windows\r", "windows"},
      // What is not UTF-8 is shown as such.
      {"a\xff\xfe\xe9"
       "b",
       "a" BAD BAD BAD "b"},
      {"a\xe2(", "a" BAD "("},
  };
  for (const auto& [line, shown] : cases) expect_text(safe_for_terminal(line), shown);
}
