// A line is cut into words as sh cuts it, and put together so that sh cuts it again.
#include "cli/shell_words.h"

#include <criterion/criterion.h>

#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::cli;

namespace {

std::string cut_up(std::string_view line) {
  const auto words = shell_words(line);
  if (!words) return cat("error: ", words.error().text);
  std::string text;
  for (const std::string& word : *words) text += cat("<", word, ">");
  return text;
}

}  // namespace

Test(shell_words, quotes_and_backslashes_keep_together_what_belongs_together) {
  const struct {
    const char *line, *words;
  } cases[] = {
      {"ls -la", "<ls><-la>"},
      {"  a\tb\n c ", "<a><b><c>"},
      {"echo 'a b' \"c d\"", "<echo><a b><c d>"},
      {"a'b'\"c\"d", "<abcd>"},
      {"'' \"\"", "<><>"},
      {"a\\ b 'c\\d' \"e\\\"f\\g\"", "<a b><c\\d><e\"f\\g>"},
      {"", ""},
      {"'open", "error: a command has an open '"},
      {"x\\", "error: a command ends with a backslash"},
  };
  for (const auto& one : cases) expect_text(cut_up(one.line), one.words);
}

Test(shell_words, quoted_words_are_cut_into_the_same_words) {
  const std::vector<std::string> words = {"ls", "", "a b", "it's", "$HOME", "\"", "\\", "*"};
  const auto again = shell_words(shell_quoted(words));
  cr_assert(again.has_value());
  cr_assert(*again == words);
  expect_text(shell_quoted({"rails", "server", "-b", "0.0.0.0"}), "rails server -b 0.0.0.0");
}

Test(shell_words, only_a_word_that_a_shell_would_change_needs_a_shell) {
  for (const char* plain : {"ls", "bin/web", "-la", "a=b", "http://x:1/y", "a,b.c@d%e"})
    cr_assert(not needs_shell(plain), "%s", plain);
  for (const char* line : {"a b", "a|b", "$X", "a;b", "a>b", "*", "a&", "`a`", "(a)", "~"})
    cr_assert(needs_shell(line), "%s", line);
}
