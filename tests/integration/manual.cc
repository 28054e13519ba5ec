// The manual pages and the completions: one page a command and none too many, and words that the shells can use.
#include <algorithm>

#include "tests/support/running.h"

using namespace convox::test;
using convox::cat;

namespace {

std::string manual() { return Sandbox::build() + "/manual"; }

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> found;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
    if (end > 0) found.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return found;
}

// The pages of the commands that `convox help` lists.
std::vector<std::string> wanted_pages(Sandbox& box) {
  std::vector<std::string> pages = {"convox.1"};
  const std::string list = box.convox({"help"}).out;
  for (std::string_view rest = list; !rest.empty();) {
    std::string_view line = rest.substr(2, rest.find('\n') - 2);
    rest.remove_prefix(line.size() + 3);
    std::string name(line.substr(0, line.find("  ")));
    std::ranges::replace(name, ' ', '-');
    pages.push_back(cat("convox-", name, ".1"));
  }
  std::ranges::sort(pages);
  return pages;
}

}  // namespace

Test(manual, has_a_page_for_each_command_and_no_other) {
  Sandbox box;
  std::vector<std::string> pages = words(box.run({"/bin/ls", manual() + "/man1"}).out);
  std::ranges::sort(pages);
  cr_expect(pages == wanted_pages(box), "%zu pages", pages.size());
}

Test(manual, is_clean_roff) {
  Sandbox box;
  const std::string all = "for page in " + manual() + "/man1/*.1 " + manual() + "/man8/*.8 " + Sandbox::build() +
                          "/../../docs/convox.yml.5; do ";
  if (!exists("/usr/bin/mandoc") || !exists("/usr/bin/groff")) cr_skip("needs mandoc and groff");
  const Ran lint = box.run({"/bin/sh", "-c", all + "/usr/bin/mandoc -Tlint -W warning $page; done"});
  EXPECT_TEXT(lint.out + lint.err, "");
  const Ran groff = box.run({"/bin/sh", "-c", all + "/usr/bin/groff -man -ww -z $page; done"});
  EXPECT_TEXT(groff.out + groff.err, "");
}

Test(manual, pages_say_what_help_says_and_how_it_is_used) {
  Sandbox box;
  for (const std::string& page : wanted_pages(box)) {
    const std::string text = read_file(manual() + "/man1/" + page);
    for (const char* section :
         {".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", ".SH OPTIONS\n", ".SH EXIT STATUS\n", ".SH SEE ALSO\n"})
      cr_expect(text.find(section) != text.npos, "%s has no %s", page.c_str(), section);
    if (page != "convox.1") cr_expect(text.find(".SH EXAMPLES\n") != text.npos, "%s has no examples", page.c_str());
  }
  const std::string run = read_file(manual() + "/man1/convox-run.1");
  EXPECT_CONTAINS(run, "\\fB\\-\\-timeout\\fR \\fIduration\\fR, \\fB\\-t\\fR \\fIduration\\fR\n");
}

// A bash that nobody types into, and a convox that knows two processes.
Test(manual, bash_completes_commands_options_values_and_names) {
  Sandbox box;
  box.write("bin/convox",
            "#!/bin/sh\ncase $* in\n'ps -q') echo 551967b75abd; echo 0123456789ab ;;\n"
            "services) echo 'SERVICE  DOMAIN  PORTS'; echo 'web  '; echo 'worker  ' ;;\nesac\n",
            0755);
  const std::pair<const char*, const char*> rows[] = {
      {"vers", "version"},
      {"releases pro", "promote"},
      {"apps ''", "create delete info"},
      {"run w", "web worker"},
      {"run --time", "--timeout"},
      {"run --network ''", "bridge none host"},
      {"run --network = h", "host"},
      {"run --app x w", "web worker"},
      {"run web ''", ""},
      {"inspect 5", "551967b75abd"},
      {"inspect 551967b75abd 0", "0123456789ab"},
      {"exec w", "web worker"},
      {"exec 5", "551967b75abd"},
      {"rack ''", "ps"},
      {"logs --timestamps --fil", "--filter"},
      {"cp 0", "0123456789ab:"},
      {"cp conv", "convox.yml"},
      {"cp 0123456789ab:/x conv", "convox.yml"},
      {"help insp", "inspect"},
      {"build -m conv", "convox.yml"},
      {"nonsense ''", ""},
  };
  box.write("convox.yml", "");
  for (const auto& [line, expected] : rows) {
    const Ran ran = box.run({"/bin/bash", "-c",
                             cat("PATH=", box.app(), "/bin:$PATH; . ", manual(), "/convox.bash; COMP_WORDS=(convox ",
                                 line, "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _convox; echo \"${COMPREPLY[*]}\"")});
    EXPECT_TEXT(cat(line, " -> ", ran.out, ran.err), cat(line, " -> ", expected, "\n"));
  }
}

Test(manual, zsh_can_read_its_completion) {
  Sandbox box;
  if (!exists("/usr/bin/zsh")) cr_skip("needs zsh");
  const Ran ran = box.run({"/usr/bin/zsh", "-n", manual() + "/_convox"});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.err, "");
}

// Everything that `make install` put there is gone after `make uninstall`.
Test(manual, is_installed_and_uninstalled) {
  Sandbox box;
  const std::string make = cat("make -s -C ", Sandbox::build(), "/../.. -o all DESTDIR=", box.path(),
                               "/to MODE=$(basename ", Sandbox::build(), ") ");
  const Ran installed = box.run({"/bin/sh", "-c", make + "install"});
  EXPECT_STATUS(installed, 0);
  for (const char* name : {"man/man1/convox-run.1", "man/man5/convox.yml.5", "bash-completion/completions/convox",
                           "zsh/site-functions/_convox"})
    cr_expect(exists(cat(box.path(), "/to/usr/local/share/", name)), "%s", name);
  EXPECT_STATUS(box.run({"/bin/sh", "-c", make + "uninstall"}), 0);
  EXPECT_TEXT(box.run({"/usr/bin/find", box.path() + "/to", "-type", "f"}).out, "");
}
