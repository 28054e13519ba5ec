#include "cli/watch.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "cli/output.h"
#include "runtime/signals.h"
#include "runtime/terminal.h"

namespace convox::cli {
namespace {

// True if a signal asked to end meanwhile. A change of the terminal's size, say, just shows everything again.
bool ended_within(const runtime::SignalWatch& signals, std::int64_t seconds) {
  timespec left{seconds, 0};
  pollfd waits{signals.fd(), POLLIN, 0};
  sys::ppoll(&waits, 1, &left);
  for (int signal = runtime::next_signal(signals.fd()); signal != 0; signal = runtime::next_signal(signals.fd()))
    if (runtime::asks_to_end(signal)) return true;
  return false;
}

}  // namespace

Result<int> watched(const Invocation& invocation, const std::function<Result<std::string>()>& look) {
  const std::int64_t seconds = TRY(invocation.number("watch")).value_or(0);
  if (seconds <= 0) {
    const std::string text = TRY(look());
    TRY(print(text));
    return 0;
  }
  const runtime::SignalWatch signals = TRY(runtime::SignalWatch::start());
  const std::string clear = runtime::is_terminal(STDOUT_FILENO) ? "\033[H\033[2J" : "";
  do {
    const std::string text = TRY(look());
    TRY(print(cat(clear, "Every ", seconds, "s:\n\n", text)));
  } while (!ended_within(signals, seconds));
  return 0;
}

}  // namespace convox::cli
