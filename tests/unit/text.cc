// What a stranger wrote cannot steer the terminal, and columns stay columns.
#include "cli/text.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "cli/output.h"
#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::cli;

Test(text, that_a_terminal_would_obey_is_escaped) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"plain \xc3\xa9 \xe6\x97\xa5", "plain \xc3\xa9 \xe6\x97\xa5"},
      {"\x1b]0;title\x07", "\\x1b]0;title\\x07"},
      {"a\nb\tc\rd", "a\\nb\\tc\\rd"},
      {"\x7f", "\\x7f"},
      {"\xc2\x9b"
       "31m",
       "\\x9b31m"},  // C1: CSI as one character
      {"\x9b"
       "31m",
       "\\x9b31m"},  // and as one byte
      {"\xe2\x80\xae"
       "evil",
       "\\u202eevil"},  // right to left override
      {"\xe2\x81\xa6", "\\u2066"},
      {"\xc0\xaf", "\\xc0\\xaf"},                    // overlong '/'
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},           // surrogate
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // above U+10FFFF
      {"\xe6\x97", "\\xe6\\x97"},                    // cut short
      {std::string_view("a\0b", 3), "a\\x00b"},
  };
  for (const auto& [from, to] : cases) cr_expect(escaped(from) == to, "%s", escaped(from).c_str());
}

Test(text, has_the_width_a_terminal_gives_it) {
  cr_assert(display_width("abc") == 3);
  cr_assert(display_width("\xc3\xa9") == 1);
  cr_assert(display_width("e\xcc\x81") == 1);                 // e and a combining acute
  cr_assert(display_width("\xe6\x97\xa5\xe6\x9c\xac") == 4);  // two ideographs
  cr_assert(display_width("\xf0\x9f\x90\xb3") == 2);          // a whale
}

Test(text, of_an_error_is_one_line_with_its_advice_and_a_line_for_each_further_problem) {
  Error error = invalid("mount a\nb").advise("try c");
  expect_text(error_line(error), "ERROR: mount a\\nb; try c\n");
  error = invalid("validation errors:");
  error.more = {"one", "two\x1b"};
  expect_text(error_line(error), "ERROR: validation errors:\none\ntwo\\x1b\n");
}

Test(text, is_fitted_by_columns_and_says_so) {
  const struct {
    const char* text;
    std::size_t columns;
    const char* fitted;
  } cases[] = {{"rails server", 12, "rails server"},
               {"rails server", 11, "rails ser.."},
               {"abc", 2, ".."},
               {"abc", 0, ""},
               {"\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5", 5, "\xe6\x97\xa5.."},
               {"e\xcc\x81tait", 5, "e\xcc\x81tait"}};
  for (const auto& [text, columns, cut] : cases) expect_text(fitted(text, columns), cut);
}
