#include "cli/manual/man_page.h"

#include <algorithm>
#include <vector>

#include "cli/commands.h"
#include "cli/manual/examples.h"
#include "cli/manual/roff.h"
#include "cli/options.h"
#include "runtime/base/words.h"

namespace convox::manual {
namespace {

using cli::Command;
using cli::Option;

std::string arguments(std::string_view text) { return text.empty() ? "" : cat(" ", italic(text)); }

std::string options(std::span<const Option> own) {
  std::vector<Option> all(own.begin(), own.end());
  all.insert(all.end(), cli::global_options().begin(), cli::global_options().end());
  std::erase_if(all, [](const Option& option) { return option.help.empty(); });
  std::ranges::sort(all, {}, &Option::name);
  std::string text = section("OPTIONS");
  for (const Option& option : all) {
    const std::string value = option.value.empty()     ? ""
                              : option.implied.empty() ? cat(" ", italic(option.value))
                                                       : cat("[=", italic(option.value), "]");
    std::string tag = cat(bold(cat("--", option.name)), value);
    if (option.letter) tag += cat(", ", bold(cat("-", std::string(1, option.letter))), value);
    text += item(tag, cat(option.help, option.repeatable ? " Can be given several times." : ""));
  }
  return text;
}

std::string exit_status(const Command& command) {
  const std::string text = section("EXIT STATUS");
  if (!command.pass_through)
    return cat(text, item("0", "Success."), item("1", "A failure; one line on standard error begins with `ERROR:`."));
  const bool timed = std::ranges::find(command.options, "timeout", &Option::name) != command.options.end();
  return cat(text, "The command's own status, or\n", timed ? item("124", "it was stopped after `--timeout`;") : "",
             item("125", "convox itself failed, and one line on standard error begins with `ERROR:`;"),
             item("126", "the command was found and cannot be executed;"), item("127", "the command was not found;"),
             item(cat("128+", italic("N")), "the command was ended by signal N."));
}

std::string example_section(std::string_view command) {
  const auto all = examples(command);
  if (all.empty()) return "";
  std::string text = section("EXAMPLES");
  for (const Example& one : all) text += item(bold(one.line), one.meaning);
  return text;
}

std::string_view first_word(std::string_view name) { return name.substr(0, name.find(' ')); }

// The overview, the relatives of the command (`ps` and `ps info`), the manifest.
std::string see_also(const Command& command) {
  std::string text = cat(section("SEE ALSO"), ".BR convox (1),\n");
  for (const Command* other : cli::commands())
    if (other != &command && first_word(other->name) == first_word(command.name))
      text += cat(".BR ", roff(page_name(*other)), " (1),\n");
  return text + ".BR convox.yml (5)\n";
}

constexpr std::string_view kEnvironment[][2] = {
    {"CONVOX_APP", "The app, where `--app` is not given."},
    {"CONVOX_ROOT",
     "Where images, apps, volumes and logs are kept; otherwise /var/lib/convox. `--root` goes before it."},
    {"CONVOX_RUN",
     "What is known of running processes, gone after a reboot; otherwise /run/convox. `--state-root` with a "
     "directory moves both."},
    {"NO_COLOR", "If it is set and not empty, nothing is coloured."},
};
constexpr std::string_view kFiles[][2] = {
    {"convox.yml", "The manifest of the app in this directory."},
    {".convox/app", "The app of this directory, where its name is not the directory's."},
    {"/var/lib/convox", "Images, apps, volumes, logs, and the files of processes."},
    {"/run/convox", "What runs now."},
};

}  // namespace

std::string page_name(const Command& command) {
  std::string name = cat("convox-", command.name);
  std::ranges::replace(name, ' ', '-');
  return name;
}

std::string man_page(const Command& command) {
  const std::string_view about = command.description.empty() ? command.summary : command.description;
  return cat(head(page_name(command), 1, command.summary), section("SYNOPSIS"), bold(cat("convox ", command.name)),
             " [", italic("options"), "]", arguments(command.arguments), "\n", section("DESCRIPTION"), roff(about),
             command.description.empty() ? ".\n" : "\n", options(command.options), exit_status(command),
             example_section(command.name), see_also(command));
}

std::string overview() {
  std::string text = cat(
      head("convox", 1, "run processes of apps in containers on this host"), section("SYNOPSIS"), bold("convox"), " ",
      italic("command"), " [", italic("options"), "] [", italic("arguments"), "]\n", section("DESCRIPTION"),
      roff("An app is described by a convox.yml: its services, and the image of each. `convox run` starts a process\n"
           "of a service in a container of its own; the other commands show, reach and stop what runs, and keep the\n"
           "app's releases. Nothing of convox runs in between. It must be called by root.\n"),
      ".PP\n", roff("Options may stand before, between and behind the arguments; `--` ends them.\n"),
      section("COMMANDS"));
  for (const Command* command : cli::commands())
    text += item(cat(bold(command->name), arguments(command->arguments)), command->summary);
  text += options({});
  text += cat(section("EXIT STATUS"), "0, or 1 after a failure;\n.BR convox\\-run (1)\nhas a status of its own.\n");
  text += section("ENVIRONMENT");
  for (const auto& [name, meaning] : kEnvironment) text += item(bold(name), meaning);
  text += section("FILES");
  for (const auto& [name, meaning] : kFiles) text += item(italic(name), meaning);
  text += section("SEE ALSO");
  for (const Command* command : cli::commands()) text += cat(".BR ", roff(page_name(*command)), " (1),\n");
  return text + ".BR convox.yml (5)\n";
}

}  // namespace convox::manual
