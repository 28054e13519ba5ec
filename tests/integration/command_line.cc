// What a shell sees of convox when nothing is run: lists, help, mistakes and exit statuses.
#include "runtime/base/cat.h"
#include "tests/support/needs.h"
#include "tests/support/sandbox.h"

using namespace convox::test;

namespace {

// The program under a shell, which can hand over descriptors that a test cannot.
Ran in_shell(Sandbox& box, std::string_view line) {
  return box.run({"/bin/sh", "-c", convox::cat("convox=", Sandbox::build(), "/convox; ", line)});
}

}  // namespace

Test(command_line, without_a_command_lists_them_on_standard_output) {
  Sandbox box;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{}, {"help"}, {"-h"}, {"--root", "/", "--help"}}) {
    const Ran ran = box.convox(words);
    EXPECT_STATUS(ran, 0);
    EXPECT_CONTAINS(ran.out, "  apps create ");
    EXPECT_TEXT(ran.err, "");
  }
  EXPECT_NOTHING_LEFT(box);
}

Test(command_line, describes_a_command_in_three_ways) {
  Sandbox box;
  const Ran ran = box.convox({"help", "apps", "info"});
  EXPECT_CONTAINS(ran.out, "USAGE\n  convox apps info [app]\n\nDESCRIPTION\n  ");
  EXPECT_TEXT(box.convox({"apps", "info", "--help"}).out, ran.out);
  EXPECT_TEXT(box.convox({"apps", "info", "-h", "too", "many"}).out, ran.out);
}

Test(command_line, mistakes_are_one_line_on_standard_error) {
  Sandbox box;
  const struct {
    std::vector<std::string> words;
    int status;
    std::string text;
  } cases[] = {
      {{"nonsense"}, 1, "ERROR: unknown command: nonsense\n"},
      {{"help", "nonsense"}, 1, "ERROR: unknown command: nonsense\n"},
      {{"racks"}, 1, "ERROR: racks is not available on a single host\n"},
      {{"rack", "params", "set"}, 1, "ERROR: rack params is not available on a single host\n"},
      {{"--bogus"}, 1, "ERROR: unknown flag: --bogus\n"},
      {{"apps", "--bogus"}, 1, "ERROR: unknown flag: --bogus\n"},
      {{"apps", "-r", "elsewhere"},
       1,
       "ERROR: no such rack: elsewhere; this host is the only one, and its name is local\n"},
      {{"apps", "\x1b[31m"}, 1, "ERROR: 0 args required\n"},
      {{"\x1b[31m"}, 1, "ERROR: unknown command: \\x1b[31m\n"},
      {{"run", "web"}, 125, "ERROR: at least 2 args required\n"},
      {{"run", "--bogus", "web", "ls"}, 125, "ERROR: unknown flag: --bogus\n"},
      {{"run", "web", "ls", "--app"}, 125, "ERROR: flag needs an argument: --app\n"},
  };
  for (const auto& [words, status, text] : cases) {
    const Ran ran = box.convox(words);
    EXPECT_STATUS(ran, status);
    EXPECT_TEXT(ran.out, "");
    EXPECT_TEXT(ran.err, text);
  }
  EXPECT_NOTHING_LEFT(box);
}

Test(command_line, missing_descriptors_are_no_files_and_a_full_one_is_an_error) {
  Sandbox box;
  EXPECT_STATUS(in_shell(box, "$convox version <&- >&- 2>&-"), 0);
  const Ran full = in_shell(box, "$convox version > /dev/full");
  EXPECT_STATUS(full, 1);
  EXPECT_TEXT(full.err, "ERROR: write standard output: No space left on device (ENOSPC)\n");
  const Ran gone = in_shell(box, "{ sleep 0.2; $convox version; echo $? >&2; } | true");
  EXPECT_TEXT(gone.err, "ERROR: write standard output: Broken pipe (EPIPE)\n1\n");
}

Test(command_line, version_is_told_with_and_without_its_command) {
  Sandbox box;
  const std::string bare = box.convox({"--version"}).out;
  EXPECT_TEXT(box.convox({"-v"}).out, bare);
  EXPECT_TEXT(box.convox({"version"}).out, convox::cat("client: ", bare, "server: ", bare));
}
