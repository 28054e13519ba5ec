#include "cli/app/environment.h"

#include <algorithm>

namespace convox::app {
namespace {

bool is_letter(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') || character == '_';
}

bool is_inner(char character) {
  return is_letter(character) || (character >= '0' && character <= '9') || character == '.';
}

}  // namespace

bool is_variable_name(std::string_view name) {
  return !name.empty() && is_letter(name.front()) && std::all_of(name.begin(), name.end(), is_inner);
}

Result<std::pair<std::string, std::string>> parse_assignment(std::string_view text) {
  const std::size_t equals = text.find('=');
  // What is wrong is said without the text itself: it may hold a secret, and errors end up in logs.
  if (equals == std::string_view::npos) return invalid("an assignment must have the form NAME=VALUE");
  const std::string_view name = text.substr(0, equals), value = text.substr(equals + 1);
  if (!is_variable_name(name)) return invalid(cat("not a name for a variable: ", name.empty() ? "(empty)" : name));
  // A NUL would end the variable early in the process; a newline would become a second one when it is printed and read
  // again.
  if (value.find_first_of(std::string_view("\n\r\0", 3)) != std::string_view::npos)
    return invalid(cat(name, ": a value must be one line without NUL"));
  return std::pair(std::string(name), std::string(value));
}

Result<Environment> parse_environment(std::string_view text) {
  Environment environment;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos || line.front() == '#') continue;
    auto [name, value] = TRY(parse_assignment(line), "line ", number);
    environment.insert_or_assign(std::move(name), std::move(value));
  }
  return environment;
}

std::string print(const Environment& environment) {
  std::string text;
  for (const auto& [name, value] : environment) text += cat(text.empty() ? "" : "\n", name, "=", value);
  return text;
}

std::string describe_changes(const Environment& before, const Environment& after) {
  std::string added, changed, removed;
  for (const auto& [name, value] : after) {
    const auto old = before.find(name);
    if (old == before.end())
      added += cat(" add:", name);
    else if (old->second != value)
      changed += cat(" change:", name);
  }
  for (const std::string& name : names_missing(before, after)) removed += cat(" remove:", name);
  const std::string all = cat(added, changed, removed);
  return all.empty() ? "" : cat("env", all);
}

std::vector<std::string> names_missing(const Environment& has, const Environment& lacks) {
  std::vector<std::string> names;
  for (const auto& [name, value] : has)
    if (!lacks.contains(name)) names.push_back(name);
  return names;
}

std::string join(const std::vector<std::string>& words, std::string_view between) {
  std::string text;
  for (const std::string& word : words) text += text.empty() ? word : cat(between, word);
  return text;
}

}  // namespace convox::app
