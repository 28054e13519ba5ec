#include "cli/cmd_help.h"

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/output.h"

namespace convox::cli {
namespace {

Result<int> help(const Invocation& invocation) {
  if (invocation.arguments.empty()) {
    TRY(print(command_list()));
    return 0;
  }
  const Found found = find_command(invocation.arguments);
  if (!found.command) return not_found(cat("unknown command: ", invocation.arguments[0]));
  TRY(print(usage(*found.command)));
  return 0;
}

// The client is the server here: nothing runs between commands.
Result<int> version(const Invocation&) {
  TRY(print("client: " CONVOX_VERSION "\nserver: " CONVOX_VERSION "\n"));
  return 0;
}

}  // namespace

const Command kHelp = {.name = "help",
                       .arguments = "[command]",
                       .summary = "list the commands, or describe one",
                       .maximum = 2,
                       .stateless = true,
                       .run = help};

const Command kVersion = {
    .name = "version", .arguments = "", .summary = "display version information", .stateless = true, .run = version};

}  // namespace convox::cli
