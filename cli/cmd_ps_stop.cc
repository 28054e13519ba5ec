#include "cli/cmd_ps_stop.h"

#include "cli/containers_view.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/signal_names.h"
#include "cli/times.h"
#include "runtime/base/first_error.h"
#include "runtime/signals.h"
#include "runtime/stop.h"

namespace convox::cli {
namespace {

Result<> finish_one(const Containers& containers, runtime::Stop& stop, const runtime::Record& record) {
  const Progress progress;
  TRY(progress.begin(cat("Stopping ", record.id)));
  const runtime::Stopped stopped = TRY(stop.finish());
  TRY(containers.records.reap(record.id, containers.host.cgroups));
  TRY(progress.done());
  if (stopped.unheard)
    print_error(cat(record.id, " has no handler for ", signal_name(record.stop_signal), ": killed at once\n"));
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
  // Then all are told, so that they end side by side; and one that will not end keeps no other from being waited for.
  FirstError note;
  std::vector<runtime::Stop> stops;
  for (const runtime::Listed& one : meant) {
    stops.emplace_back(containers.records, containers.host, one.record.id, grace, signals.fd());
    note(stops.back().begin());
  }
  for (std::size_t i = 0; i < meant.size(); ++i) note(finish_one(containers, stops[i], meant[i].record));
  TRY(std::move(note).result());
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
