// How does a command line become an Invocation?
//
// The GNU way, as Convox has it (pflag): options and arguments in any order, --name=value, --name value, -nvalue,
// clusters of letters,
// --flag=false, and `--` ends the options and is dropped. getopt_long(3) cannot do it: it takes abbreviations, words
// its own messages, and knows nothing of commands to pass through. For those (run, exec):
//   - options of ours are taken anywhere before `--`, since `run web bin/task --detach` has always worked;
//   - behind the command word, an option that is not ours goes to the command as it stands, `ls -la` for one;
//   - so do letters that every other command has too (-e, -h, -w) and --help.
#pragma once
#include <span>
#include <string>

#include "cli/command.h"

namespace convox::cli {

// Options that every command takes.
std::span<const Option> global_options();

// How many words at the front are options (with their values) that every command takes: 2 of `--root DIR ps`.
std::size_t count_leading_options(std::span<const std::string> words);

// `words` are what follows the command's name. The number of arguments is checked, unless --help was asked for.
// `globals` of the result is not filled in.
Result<Invocation> parse(const Command& command, std::span<const std::string> words);

}  // namespace convox::cli
