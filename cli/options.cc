#include "cli/options.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace convox::cli {
namespace {

constexpr Option kGlobal[] = {
    {.name = "help", .letter = 'h', .help = "Show this text.", .letter_in_front = true},
    {"rack", 'r', "name"},
    {.name = "root", .value = "directory"},
    {.name = "state-root", .value = "directory"},
    {.name = "wait", .letter = 'w', .letter_in_front = true},
};

// strconv.ParseBool of Go: the words that Convox's flags take.
std::optional<bool> truth(std::string_view word) {
  constexpr std::array<std::string_view, 6> yes = {"true", "1", "t", "T", "TRUE", "True"};
  constexpr std::array<std::string_view, 6> no = {"false", "0", "f", "F", "FALSE", "False"};
  if (std::ranges::find(yes, word) != yes.end()) return true;
  if (std::ranges::find(no, word) != no.end()) return false;
  return std::nullopt;
}

// "-t, --timeout", as pflag names an option whose value is bad.
std::string both_names(const Option& option) {
  return option.letter ? cat("-", option.letter, ", --", option.name) : cat("--", option.name);
}

Error bad_value(const Option& option, std::string_view value, std::string_view parser) {
  return invalid(cat("invalid argument \"", value, "\" for \"", both_names(option), "\" flag: strconv.", parser,
                     ": parsing \"", value, "\": invalid syntax"));
}

// The command's own options come first: `run` has a --wait that means something.
template <class Matches>
const Option* find(const Command& command, Matches matches) {
  for (const std::span<const Option> table : {command.options, std::span<const Option>(kGlobal)})
    if (const auto at = std::ranges::find_if(table, matches); at != table.end()) return &*at;
  return nullptr;
}
const Option* find(const Command& command, std::string_view name) {
  return find(command, [&](const Option& option) { return option.name == name; });
}
const Option* find(const Command& command, char letter) {
  return find(command, [&](const Option& option) { return option.letter == letter; });
}

class Parser {
 public:
  Parser(const Command& command, std::span<const std::string> words) : command_(command), words_(words) {
    result_.command = &command;
  }

  Result<Invocation> parse() {
    while (at_ < words_.size()) {
      const std::string& word = words_[at_++];
      if (word == "--") {
        for (; at_ < words_.size(); ++at_) result_.arguments.push_back(words_[at_]);
      } else if (word.size() < 2 || word[0] != '-') {  // "-" alone is an argument: standard input
        result_.arguments.push_back(word);
      } else if (const bool taken = TRY(word[1] == '-' ? long_option(word) : letters(word)); !taken) {
        if (!behind_command()) return invalid(cat("unknown flag: ", word.substr(0, word.find('='))));
        result_.arguments.push_back(word);
      }
    }
    return std::move(result_);
  }

 private:
  bool behind_command() const { return command_.pass_through && result_.arguments.size() >= command_.minimum; }

  // Each of the next three says whether the word was an option of ours.
  Result<bool> long_option(std::string_view word) {
    const std::size_t equals = word.find('=');
    const Option* option = find(command_, word.substr(2, equals == word.npos ? equals : equals - 2));
    if (!option || (behind_command() && option->name == "help")) return false;
    std::optional<std::string> value;
    if (equals != word.npos) value = word.substr(equals + 1);
    if (!value && !option->implied.empty()) value = option->implied;
    if (!value && !option->value.empty()) {
      if (at_ == words_.size()) return invalid(cat("flag needs an argument: ", word));
      value = words_[at_++];
    }
    return take(*option, std::move(value));
  }

  Result<bool> letters(std::string_view word) {
    if (!all_known(word.substr(1))) return false;
    for (std::string_view rest = word.substr(1); !rest.empty();) {
      const Option& option = *find(command_, rest[0]);
      rest.remove_prefix(1);
      if (option.value.empty() && !rest.starts_with('=')) {
        TRY(take(option, std::nullopt));
        continue;
      }
      if (rest.starts_with('='))
        rest.remove_prefix(1);
      else if (rest.empty() && at_ == words_.size())
        return invalid(cat("flag needs an argument: '", option.letter, "' in -", option.letter));
      else if (rest.empty())
        return take(option, words_[at_++]);
      return take(option, std::string(rest));
    }
    return true;
  }

  // A cluster is taken as a whole or not at all. Its letters end at the first that has a value.
  bool all_known(std::string_view cluster) const {
    for (std::size_t at = 0; at < cluster.size(); ++at) {
      const Option* option = find(command_, cluster[at]);
      if (!option || (behind_command() && option->letter_in_front)) return false;
      if (!option->value.empty() || cluster.substr(at + 1).starts_with('=')) return true;
    }
    return true;
  }

  Result<bool> take(const Option& option, std::optional<std::string> value) {
    if (option.value.empty()) {
      const auto on = truth(value.value_or("true"));
      if (!on) return bad_value(option, *value, "ParseBool");
      value = *on ? "true" : "false";
    }
    result_.given.push_back({option.name, *std::move(value)});
    return true;
  }

  const Command& command_;
  std::span<const std::string> words_;
  std::size_t at_ = 0;
  Invocation result_;
};

// "1 arg", "2 args"
std::string args(std::size_t count) { return cat(count, count == 1 ? " arg" : " args"); }

Result<> check_count(const Command& command, std::size_t count) {
  if (command.minimum == command.maximum && count != command.minimum)
    return invalid(cat(args(command.minimum), " required"));
  if (count < command.minimum) return invalid(cat("at least ", args(command.minimum), " required"));
  if (count > command.maximum) return invalid(cat("no more than ", args(command.maximum), " expected"));
  return ok();
}

}  // namespace

std::span<const Option> global_options() { return kGlobal; }

std::size_t count_leading_options(std::span<const std::string> words) {
  const auto takes_next = [](std::string_view word) {
    return std::ranges::any_of(kGlobal, [&](const Option& option) {
      return !option.value.empty() &&
             (word == cat("--", option.name) || (option.letter && word == cat("-", option.letter)));
    });
  };
  std::size_t count = 0;
  while (count < words.size() && words[count].size() > 1 && words[count][0] == '-' && words[count] != "--")
    count += takes_next(words[count]) ? 2 : 1;
  return std::min(count, words.size());
}

Result<Invocation> parse(const Command& command, std::span<const std::string> words) {
  Invocation invocation = TRY(Parser(command, words).parse());
  if (!invocation.flag("help")) TRY(check_count(command, invocation.arguments.size()));
  return invocation;
}

bool Invocation::flag(std::string_view option, bool otherwise) const {
  const auto text = value(option);
  return text ? *text == "true" : otherwise;
}

std::optional<std::string_view> Invocation::value(std::string_view option) const {
  const auto all = values(option);
  return all.empty() ? std::nullopt : std::optional(all.back());
}

std::vector<std::string_view> Invocation::values(std::string_view option) const {
  std::vector<std::string_view> all;
  for (const Given& one : given)
    if (one.option == option) all.push_back(one.value);
  return all;
}

Result<std::optional<std::int64_t>> Invocation::number(std::string_view option) const {
  const auto text = value(option);
  if (!text) return std::optional<std::int64_t>();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size())
    return bad_value(*find(*command, option), *text, "Atoi");
  return std::optional(number);
}

}  // namespace convox::cli
