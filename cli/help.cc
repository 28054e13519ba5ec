#include "cli/help.h"

#include <algorithm>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/text.h"

namespace convox::cli {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

// Lines of two columns, the second at one place.
std::string two_columns(const Lines& lines) {
  std::size_t width = 0;
  for (const auto& [left, right] : lines) width = std::max(width, left.size());
  std::string text;
  for (const auto& [left, right] : lines) {
    text += cat("  ", left);
    if (!right.empty()) text += cat(std::string(width - left.size() + 2, ' '), right);
    text += '\n';
  }
  return text;
}

// "--app name  -a name"
std::string spelling(const Option& option) {
  const std::string value = option.value.empty()     ? ""
                            : option.implied.empty() ? cat(" ", option.value)
                                                     : cat("[=", option.value, "]");
  std::string text = cat("--", option.name, value);
  if (option.letter) text += cat("  -", option.letter, value);
  return text;
}

// At most 100 columns, indented by two.
std::string wrapped(std::string_view text) {
  constexpr std::size_t columns = 98;
  std::string made;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    if (end > columns) {
      const std::size_t blank = text.rfind(' ', columns);
      end = blank == text.npos ? std::min(text.find(' '), end) : blank;
    }
    made += cat("  ", text.substr(0, end), "\n");
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return made;
}

}  // namespace

std::string command_list() {
  Lines lines;
  for (const Command* command : commands()) lines.emplace_back(command->name, command->summary);
  return two_columns(lines);
}

std::string usage(const Command& command) {
  std::vector<Option> options(command.options.begin(), command.options.end());
  options.insert(options.end(), global_options().begin(), global_options().end());
  std::erase_if(options, [](const Option& option) { return option.help.empty(); });
  std::ranges::sort(options, {}, &Option::name);
  Lines lines;
  for (const Option& option : options)
    lines.emplace_back(spelling(option), cat(option.help, option.repeatable ? " Can be given several times." : ""));
  const std::string arguments = command.arguments.empty() ? "" : cat(" ", command.arguments);
  return cat("USAGE\n  convox ", command.name, arguments, "\n\nDESCRIPTION\n",
             wrapped(command.description.empty() ? command.summary : command.description), "\nOPTIONS\n",
             two_columns(lines));
}

}  // namespace convox::cli
