#include "cli/shell_words.h"

namespace convox::cli {

bool needs_shell(std::string_view text) {
  return text.find_first_of(" \t\n|&;<>()$`\\\"'*?[]#~{}!") != std::string_view::npos;
}

Result<std::vector<std::string>> shell_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == 0 && (c == ' ' || c == '\t' || c == '\n')) {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
    } else if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
      in_word = true;  // '' is a word, an empty one
    } else if (c == quote) {
      quote = 0;
    } else if (c == '\\' && quote != '\'') {
      if (++i == text.size()) return invalid("a command ends with a backslash");
      // Inside double quotes a backslash is one, unless it stands before what is special there.
      if (quote == '"' && text[i] != '"' && text[i] != '\\' && text[i] != '$' && text[i] != '`') word += '\\';
      word += text[i];
      in_word = true;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote != 0) return invalid(cat("a command has an open ", quote));
  if (in_word) words.push_back(std::move(word));
  return words;
}

std::string shell_quoted(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    if (!word.empty() && !needs_shell(word)) {
      line += word;
      continue;
    }
    line += '\'';
    for (const char c : word) {
      if (c == '\'')
        line += "'\\''";
      else
        line += c;
    }
    line += '\'';
  }
  return line;
}

std::string command_line(const std::vector<std::string>& words) {
  return words.size() == 1 ? words[0] : shell_quoted(words);
}

}  // namespace convox::cli
