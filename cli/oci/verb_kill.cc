// convox-oci kill: sends a signal.
#include <signal.h>

#include "cli/oci/known.h"
#include "cli/signal_names.h"
#include "runtime/oci/end.h"

namespace convox::oci {
namespace {

constexpr Flag kFlags[] = {
    {"all", 'a', "", "to all processes of the container"},
    {"regex", 'r', "", "to all containers whose id matches"},
};

Result<int> signal_of(const std::string& text) {
  std::string upper = text;
  for (char& c : upper)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  auto signal = cli::parse_signal(upper);
  if (!signal) return invalid(cat("unknown signal \"", text, "\""));
  return signal;
}

Result<int> kill(const Globals& globals, const Words& words) {
  const int signal = words.arguments.size() > 1 ? TRY(signal_of(words.arguments[1])) : SIGTERM;
  for (const std::string& id : TRY(ids_of(globals, words))) {
    const Known known = TRY(find_container(globals, id));
    const cgroups::Hierarchy hierarchy = TRY(hierarchy_or_none());
    TRY(kill(known.state, known.status, signal, words.has("all"), hierarchy));
  }
  return 0;
}

}  // namespace

const Verb kKill = {.name = "kill",
                    .usage = "[flags] ID [SIGNAL]",
                    .help = "send a signal (TERM) to a container's first process",
                    .flags = kFlags,
                    .least = 1,
                    .most = 2,
                    .perform = kill};

}  // namespace convox::oci
