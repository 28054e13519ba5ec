#include "cli/manual/roff.h"

#include <algorithm>

#include "runtime/base/cat.h"

namespace convox::manual {

std::string roff(std::string_view text) {
  std::string made;
  bool line_begins = true, typed = false;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) made += "\\&";
    line_begins = c == '\n';
    if (c == '`')
      made += (typed = !typed) ? "\\fB" : "\\fR";
    else if (c == '\\')
      made += "\\e";
    else if (c == '-')
      made += "\\-";
    else if (c == '~' || c == '^')
      made += c == '~' ? "\\(ti" : "\\(ha";
    else
      made += c;
  }
  return made;
}

std::string bold(std::string_view text) { return cat("\\fB", roff(text), "\\fR"); }
std::string italic(std::string_view text) { return cat("\\fI", roff(text), "\\fR"); }

std::string section(std::string_view name) { return cat(".SH ", name, "\n"); }
std::string item(const std::string& tag, std::string_view text) { return cat(".TP\n", tag, "\n", roff(text), "\n"); }

std::string head(const std::string& name, int number, std::string_view summary) {
  std::string title = name;
  std::ranges::transform(title, title.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return cat(".\\\" Made from the table of commands; do not edit.\n.TH ", roff(title), " ", number,
             " \"" CONVOX_DATE "\" \"convox " CONVOX_VERSION, "\" \"convox manual\"\n", section("NAME"), roff(name),
             " \\- ", roff(summary), "\n");
}

}  // namespace convox::manual
