// What is a command of convox? A row of a table.
//
// Each cmd_*.cc defines its rows as `const Command kRun = {...}` and commands.cc lists them. Everything that has to
// know an option reads it here: the parser (options.cc), --help (help.cc), the manual pages and the completion
// (manual/). Read next: options.h.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/state_root.h"
#include "runtime/base/result.h"

namespace convox::cli {

struct Option {
  std::string_view name;        // "app" for --app
  char letter = 0;              // 'a' for -a; 0: none
  std::string_view value = {};  // what its value is called in --help; empty: a flag, which is on or off
  std::string_view help = {};   // empty: accepted, but --help does not show it
  bool repeatable = false;      // each use adds a value; otherwise the last one counts
  // Its letter is not taken from behind a command to pass through: `run web node -e CODE`.
  bool letter_in_front = false;
  std::string_view implied = {};  // what --name alone means: a value is only given by --name=value
};

struct Invocation;

struct Command {
  static constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();

  std::string_view name;       // "ps", "apps info"
  std::string_view arguments;  // "<service> <command>"
  std::string_view summary;    // its line in the list of commands
  std::string_view description = {};
  std::span<const Option> options = {};
  std::size_t minimum = 0, maximum = 0;  // how many arguments
  // The words from the `minimum`-th on are a command for a container (run, exec). Unknown options behind it are the
  // command's own, and a failure of ours ends with 125, so that it cannot be taken for the command's own status.
  bool pass_through = false;
  bool stateless = false;  // works without a state directory (version, help)
  Result<int> (*run)(const Invocation&) = nullptr;
};

// A command line, understood. Names of options are those of the table.
struct Invocation {
  struct Given {
    std::string_view option;
    std::string value;  // of a flag: "true" or "false"
  };

  const Command* command = nullptr;
  std::vector<Given> given;
  std::vector<std::string> arguments;
  StateRoot globals;

  // Was the flag given, and not as --name=false? `otherwise` is its state when it was not given at all.
  bool flag(std::string_view option, bool otherwise = false) const;
  std::optional<std::string_view> value(std::string_view option) const;  // of the last use
  std::vector<std::string_view> values(std::string_view option) const;   // of every use, in order
  // The value as a decimal number; text that is none is an error in Convox's words.
  Result<std::optional<std::int64_t>> number(std::string_view option) const;
};

// Options that more than one command has.
inline constexpr Option kAppOption = {"app", 'a', "name",
                                      "The app; otherwise CONVOX_APP, .convox/app or the directory's name."};

}  // namespace convox::cli
