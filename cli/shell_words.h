// How is one string a command? As a shell would cut it into words, but without a shell.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace convox::cli {

// Would a shell do anything with it but take it as one word: blanks, quotes, $, |, ;, globs?
bool needs_shell(std::string_view text);

// Words as sh cuts them: blanks separate, quotes and backslash keep together. Nothing is expanded. An open quote is an
// error.
Result<std::vector<std::string>> shell_words(std::string_view text);

// The words as one line that a shell would cut into the same words.
std::string shell_quoted(const std::vector<std::string>& words);

// A command as its user wrote it: one word as it is, for it may be a whole line for a shell; several, quoted.
std::string command_line(const std::vector<std::string>& words);

}  // namespace convox::cli
