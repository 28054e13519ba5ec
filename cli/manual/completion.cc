#include "cli/manual/completion.h"

#include <algorithm>
#include <vector>

#include "cli/commands.h"
#include "cli/options.h"
#include "runtime/base/words.h"

namespace convox::manual {
namespace {

using cli::Command;
using cli::Option;

// What a word may be: `pid`, `process` (or a service), `service`, `app`, `release`, `build`, `command` (of convox),
// `file`, `path` (of the host or inside), nothing in particular; or one of several words, `none|host`.
std::string kind_of(std::string_view name) {
  constexpr std::string_view kinds[] = {"pid", "service", "app", "release", "build", "command", "file", "directory"};
  if (std::ranges::find(kinds, name) != std::end(kinds)) return std::string(name);
  if (name == "process or service") return "process";
  if (name == "dir") return "directory";
  if (name == "image") return "file";
  if (name.starts_with("[pid:]")) return "path";
  return name.find('|') == name.npos ? "-" : std::string(name);
}

std::string kind_of(const Option& option) {
  for (const std::string_view one : {"app", "service", "release"})
    if (option.name == one) return std::string(one);
  if (option.name == "process") return "pid";
  return kind_of(option.value);
}

struct Argument {
  std::string kind;
  bool repeats = false;
};

// "<service> [command]...": a kind for each word.
std::vector<Argument> arguments_of(const Command& command) {
  std::vector<Argument> kinds;
  for (std::string_view rest = command.arguments; !rest.empty();) {
    const char close = rest[0] == '<' ? '>' : ']';
    rest.remove_prefix(1);
    const std::string_view word = cut(rest, close);
    const bool repeats = rest.starts_with("...");
    rest.remove_prefix(std::min(rest.find_first_of("<["), rest.size()));
    // The command for a container is a word of that container's.
    kinds.push_back({command.pass_through && word == "command" ? "-" : kind_of(word), repeats});
  }
  return kinds;
}

// Does the word behind it belong to it?
bool takes_a_word(const Option& option) { return !option.value.empty() && option.implied.empty(); }

// Hidden options stay hidden.
std::vector<Option> options_of(const Command& command) {
  std::vector<Option> all(command.options.begin(), command.options.end());
  all.insert(all.end(), cli::global_options().begin(), cli::global_options().end());
  std::erase_if(all, [](const Option& option) { return option.help.empty(); });
  return all;
}

// In single quotes, where a shell takes everything as it stands but a single quote.
std::string quoted(std::string_view text) {
  std::string made = "'";
  for (const char c : text) made += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return made + "'";
}

std::string first_word(std::string_view name) { return std::string(name.substr(0, name.find(' '))); }

// What may follow the first word of a command: "create delete info".
std::string words_below(std::string_view first) {
  std::string names;
  for (const Command* command : cli::commands())
    if (command->name.starts_with(cat(first, " ")))
      names += cat(names.empty() ? "" : " ", command->name.substr(first.size() + 1));
  return names;
}

// First words of commands, each once: `rack` too, though only `rack ps` is a command.
std::vector<std::string> first_words() {
  std::vector<std::string> words;
  for (const Command* command : cli::commands())
    if (words.empty() || words.back() != first_word(command->name)) words.push_back(first_word(command->name));
  return words;
}

}  // namespace

std::string bash_tables() {
  std::string options, values, words, first, below;
  for (const Command* command : cli::commands()) {
    std::string all;
    for (const Option& option : options_of(*command)) {
      std::vector<std::string> spellings{cat("--", option.name)};
      if (option.letter) spellings.push_back(cat("-", std::string(1, option.letter)));
      all += cat(all.empty() ? "" : " ", spellings[0]);
      if (!takes_a_word(option)) continue;
      for (const std::string& one : spellings)
        values += cat("\t[", quoted(cat(command->name, " ", one)), "]=", quoted(kind_of(option)), "\n");
    }
    options += cat("\t[", quoted(command->name), "]=", quoted(all), "\n");
    std::string kinds;
    for (const Argument& one : arguments_of(*command))
      kinds += cat(kinds.empty() ? "" : " ", one.kind, one.repeats ? "..." : "");
    words += cat("\t[", quoted(command->name), "]=", quoted(kinds), "\n");
  }
  for (const std::string& word : first_words()) {
    first += cat("\t[", quoted(word), "]=1\n");
    if (const std::string names = words_below(word); !names.empty())
      below += cat("\t[", quoted(word), "]=", quoted(names), "\n");
  }
  const auto table = [](std::string_view name, const std::string& rows) {
    return cat("declare -gA _convox_", name, "=(\n", rows, ")\n");
  };
  return cat("# Completion of convox for bash. Made from its table of commands; do not edit.\n", table("first", first),
             table("below", below), table("options", options), table("values", values), table("arguments", words));
}

std::string zsh_tables() {
  // In a specification `[`, `]` and `:` mean something.  zshcompsys(1), _arguments
  const auto plain = [](std::string_view text) {
    std::string made;
    for (const char c : text)
      made += c == '[' || c == ']' || c == ':' ? cat("\\", std::string(1, c)) : std::string(1, c);
    return made;
  };
  const auto action = [](const std::string& kind) {
    if (kind == "-") return std::string(":");
    if (kind == "command") return std::string(": _convox_name command");
    return cat(": _convox_name ", quoted(kind));
  };
  std::string commands, cases;
  for (const std::string& word : first_words())
    if (!cli::find_command(std::vector{word}).command)
      commands += cat("\t", quoted(cat(word, ":", words_below(word))), "\n");
  for (const Command* command : cli::commands()) {
    commands += cat("\t", quoted(cat(command->name, ":", plain(command->summary))), "\n");
    cases += cat("\t", quoted(command->name), ")\n\t\t_arguments -s -S");
    for (const Option& option : options_of(*command)) {
      // Two colons: it can be left out.
      const std::string colon = option.implied.empty() ? ":" : "::";
      const std::string value = option.value.empty() ? "" : cat(colon, plain(option.value), action(kind_of(option)));
      const std::string rest = cat("[", plain(option.help), "]", value), many = option.repeatable ? "*" : "";
      const std::string equals = option.value.empty() ? "" : option.implied.empty() ? "=" : "=-";
      cases += cat(" \\\n\t\t\t", quoted(cat(many, "--", option.name, equals, rest)));
      if (option.letter) cases += cat(" \\\n\t\t\t", quoted(cat(many, "-", std::string(1, option.letter), rest)));
    }
    std::size_t place = 1;
    for (const Argument& one : arguments_of(*command))
      cases += cat(" \\\n\t\t\t", quoted(cat(one.repeats ? "*" : cat(place++), ":argument", action(one.kind))));
    cases += "\n\t\t;;\n";
  }
  return cat("#compdef convox\n# Completion of convox for zsh. Made from its table of commands; do not edit.\n",
             "typeset -ga _convox_commands=(\n", commands, ")\n", "_convox_arguments() { # COMMAND\n\tcase $1 in\n",
             cases, "\tesac\n}\n");
}

}  // namespace convox::manual
