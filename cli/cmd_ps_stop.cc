#include "cli/cmd_ps_stop.h"

#include "cli/containers_view.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/signal_names.h"
#include "cli/times.h"
#include "runtime/signals.h"
#include "runtime/stop.h"

namespace convox::cli {
namespace {

Result<> stop_one(const Containers& containers, const runtime::Listed& container,
                  std::optional<std::chrono::seconds> grace, int signals) {
  const Progress progress;
  const std::string& id = container.record.id;
  TRY(progress.begin(cat("Stopping ", id)));
  const runtime::Stopped stopped = TRY(runtime::stop(containers.records, containers.host, container, grace, signals));
  TRY(containers.records.reap(id, containers.host.cgroups));
  TRY(progress.done());
  if (stopped.unheard)
    print_error(cat(id, " has no handler for ", signal_name(container.record.stop_signal), ": killed at once\n"));
  return ok();
}

Result<int> stop(const Invocation& invocation) {
  std::optional<std::chrono::seconds> grace;
  if (const auto given = invocation.value("grace"))
    grace = std::chrono::seconds(TRY(parse_duration(*given), "--grace") / kSecond);
  const runtime::SignalWatch signals = TRY(runtime::SignalWatch::start());
  const Containers containers = TRY(open_containers(invocation));
  // All names first: a mistyped one must not end the others.
  std::vector<runtime::Listed> meant;
  for (const std::string& name : invocation.arguments) {
    meant.push_back(TRY(containers.find(invocation, name)));
    if (!meant.back().live) TRY(runtime::check_running(meant.back()));
  }
  for (const runtime::Listed& container : meant) TRY(stop_one(containers, container, grace, signals.fd()));
  return 0;
}

constexpr Option kOptions[] = {
    kAppOption,
    {"grace", 0, "duration", "Kill it after so long; otherwise what convox.yml says, 30s. 0 kills at once."},
};

}  // namespace

const Command kPsStop = {.name = "ps stop",
                         .arguments = "<id>...",
                         .summary = "stop processes",
                         .description =
                             "Sends the stop signal of the image (SIGTERM), waits for the end, and kills the whole "
                             "container when the grace is over.\n"
                             "A first process without a handler for the signal would never hear it: it is killed at "
                             "once. What is stopped is not started again.",
                         .options = kOptions,
                         .minimum = 1,
                         .maximum = Command::kAny,
                         .run = stop};

}  // namespace convox::cli
