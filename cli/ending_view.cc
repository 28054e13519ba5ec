#include "cli/ending_view.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>

#include "cli/output.h"
#include "runtime/stream.h"

namespace convox::cli {
namespace {

constexpr int kTimedOut = 124;

// The terminal may be the very thing that stalls; what is left to do, cleaning up, must not wait for it.
void tell(std::string_view what) { runtime::offer(STDERR_FILENO, cat("ERROR: ", what, "\n"), std::chrono::seconds(1)); }

}  // namespace

int report(const runtime::Ending& ending, const std::string& who) {
  if (ending.timed_out) {
    tell(cat(who, " was stopped: it ran longer than --timeout"));
    return kTimedOut;
  }
  if (ending.broken_stream)  // the status stays the command's
    tell(cat(who, ": its input or output is incomplete: ", describe(ending.broken_stream)));
  const bool killed = ending.status == 128 + SIGKILL;
  if (killed && ending.oom) tell(cgroups::describe(ending.oom, who));
  // Killed because we were told to stop: that signal is the reason, whichever one did it in the end.
  return killed && ending.told_to_stop_by != 0 && !ending.oom ? 128 + ending.told_to_stop_by : ending.status;
}

Result<int> after_removal(Result<int> result, Result<> removed) {
  if (removed) return result;
  if (result) {
    print_error(error_line(removed.error()));
    return result;
  }
  Error both = std::move(result).error();
  both.text += cat("; then, ", removed.error().text);
  return both;
}

}  // namespace convox::cli
