// A command line finds its row in the table, and a failure its exit status.
#include "cli/commands.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <algorithm>
#include <set>

#include "cli/help.h"
#include "cli/options.h"
#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::cli;

Test(commands, are_listed_by_name_and_each_has_what_it_needs) {
  cr_assert(std::ranges::is_sorted(commands(), {}, [](const Command* command) { return command->name; }));
  for (const Command* command : commands()) {
    cr_expect(command->run != nullptr && !command->summary.empty() && command->minimum <= command->maximum, "%s",
              std::string(command->name).c_str());
    cr_expect(cloud_command(std::vector<std::string>{std::string(command->name)}).empty());
  }
}

Test(commands, have_no_two_options_of_one_name_or_letter) {
  for (const Command* command : commands()) {
    std::set<std::string_view> names;
    std::set<char> letters;
    for (const Option& option : command->options) {
      cr_expect(names.insert(option.name).second, "%s: --%s", std::string(command->name),
                std::string(option.name).c_str());
      cr_expect(option.letter == 0 || letters.insert(option.letter).second, "%s: -%c",
                std::string(command->name).c_str(), option.letter);
    }
  }
}

Test(commands, are_found_by_whole_words) {
  cr_assert(find_command(std::vector<std::string>{"version", "x"}).words == 1);
  cr_assert(find_command(std::vector<std::string>{"versio"}).command == nullptr);
  cr_assert(find_command(std::vector<std::string>{"version x"}).command == nullptr);
  cr_assert(find_command(std::vector<std::string>{""}).command == nullptr);
}

Test(commands, of_the_cloud_are_told_from_ours) {
  expect_text(cloud_command(std::vector<std::string>{"racks"}), "racks");
  expect_text(cloud_command(std::vector<std::string>{"rack", "params", "set"}), "rack params");
  expect_text(cloud_command(std::vector<std::string>{"rack"}), "");
  expect_text(cloud_command(std::vector<std::string>{"rack", "ps"}), "");
}

Test(help, shows_usage_description_and_options_by_name) {
  static constexpr Option options[] = {{.name = "detach", .letter = 'd', .help = "Return at once."}, kAppOption};
  static const Command command = {.name = "ps stop",
                                  .arguments = "<pid>",
                                  .summary = "stop a process",
                                  .description = "Stops it.",
                                  .options = options};
  expect_text(usage(command),
              "USAGE\n  convox ps stop <pid>\n\nDESCRIPTION\n  Stops it.\n\nOPTIONS\n"
              "  --app name  -a name  The app; otherwise CONVOX_APP, .convox/app or the directory's name.\n"
              "  --detach  -d         Return at once.\n"
              "  --help  -h           Show this text.\n");
}
