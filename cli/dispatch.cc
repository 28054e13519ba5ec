#include "cli/dispatch.h"

#include <cstdlib>
#include <span>

#include "cli/app/app_name.h"
#include "cli/cmd_help.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/output.h"

namespace convox::cli {
namespace {

int status_of(const Error& error, const Command* command) {
  if (!command || !command->pass_through) return EXIT_FAILURE;
  if (error.kind == Error::Kind::kInterrupted) return 128 + error.code;
  if (error.kind == Error::Kind::kNoCommand) return 127;
  return error.kind == Error::Kind::kNotExecutable ? 126 : 125;
}

// There is one rack, this host.
Result<> check_rack(const Invocation& invocation) {
  const auto rack = invocation.value("rack");
  if (!rack || *rack == "local" || *rack == TRY(app::rack_name())) return ok();
  return invalid(cat("no such rack: ", *rack)).advise("this host is the only one, and its name is local");
}

Result<StateRoot> state_root(const Invocation& invocation) {
  StateRootWishes wishes{.environment = std::getenv};
  if (const auto root = invocation.value("root")) wishes.root = *root;
  if (const auto directory = invocation.value("state-root")) wishes.state_root = *directory;
  return find_state_root(wishes);
}

Result<int> perform(const Command& command, std::span<const std::string> words) {
  Invocation invocation = TRY(parse(command, words));
  if (invocation.flag("help")) {
    TRY(print(usage(command)));
    return 0;
  }
  TRY(check_rack(invocation));
  if (!command.stateless) invocation.globals = TRY(state_root(invocation));
  return command.run(invocation);
}

// Sets `command` as soon as it is known: the status of a failure depends on it.
Result<int> dispatch(std::span<const std::string> words, const Command*& command) {
  if (!words.empty() && (words[0] == "-v" || words[0] == "--version")) {
    TRY(print(CONVOX_VERSION "\n"));
    return 0;
  }
  const auto front = words.first(count_leading_options(words));
  const auto rest = words.subspan(front.size());
  if (rest.empty()) {
    TRY(parse(kHelp, front));
    TRY(print(command_list()));
    return 0;
  }
  if (const std::string name = cloud_command(rest); !name.empty())
    return invalid(cat(name, " is not available on a single host"));
  const Found found = find_command(rest);
  command = found.command;
  if (!command) return not_found(cat("unknown command: ", rest[0]));
  std::vector<std::string> behind(front.begin(), front.end());  // `--root DIR ps` means `ps --root DIR`
  behind.insert(behind.end(), rest.begin() + static_cast<std::ptrdiff_t>(found.words), rest.end());
  return perform(*command, behind);
}

}  // namespace

int dispatch(const std::vector<std::string>& words) {
  const Command* command = nullptr;
  const auto result = dispatch(words, command);
  if (!result) print_error(error_line(result.error()));
  return result ? *result : status_of(result.error(), command);
}

}  // namespace convox::cli
