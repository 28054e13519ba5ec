// The program `convox`: makes the process that it finds itself in fit for use, then dispatch.h.
//
// A caller hands over more than words: a umask, open (or missing) descriptors, signal dispositions, variables. Each of
// these has been a way to confuse programs that act for root. Read next: command.h, then any cmd_*.cc.
#include <sys/auxv.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "cli/dispatch.h"
#include "cli/fit.h"
#include "cli/output.h"
#include "runtime/base/result.h"

extern char** environ;

namespace convox::cli {
namespace {

constexpr int kUnfit = 125;  // whatever the command would have been

// sudo keeps some of its user's variables. These lead programs that we start (convox-image) to files of that user.
void drop_foreign_environment() {
  if (!std::getenv("SUDO_UID")) return;
  constexpr std::string_view dropped[] = {"TMPDIR=", "HOME=", "XDG_", "LD_", "GCONV_PATH=", "LOCPATH="};
  std::vector<std::string> names;
  for (char** at = environ; *at; ++at)
    for (const std::string_view prefix : dropped)
      if (const std::string_view entry(*at); entry.starts_with(prefix))
        names.emplace_back(entry.substr(0, entry.find('=')));
  for (const std::string& name : names) ::unsetenv(name.c_str());
}

Result<> become_fit() {
  TRY(fill_standard_descriptors());
  TRY(reset_signals());
  sys::umask(077);
  // Set-user-id, the caller would choose our environment, limits and working directory (CVE-2026-41163 in bubblewrap).
  if (::getauxval(AT_SECURE)) return invalid("convox must not be set-user-id, nor have file capabilities");
  drop_foreign_environment();
  return ok();
}

int run(int argc, char** argv) {
  if (const Result<> fit = become_fit(); !fit) {
    print_error(error_line(fit.error()));
    return kUnfit;
  }
  // argc can be 0: execve(2) with an empty argv (CVE-2021-4034).
  return dispatch(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}

}  // namespace
}  // namespace convox::cli

int main(int argc, char** argv) {
#ifdef CONVOX_FAULTS
  convox::faults::start(environ, convox::faults::kHost);
#endif
  return convox::cli::run(argc, argv);
}
