#include "cli/cmd_ps_end.h"

#include <chrono>

#include "cli/containers_view.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/times.h"
#include "runtime/base/first_error.h"
#include "runtime/ending.h"
#include "runtime/holder.h"
#include "runtime/signals.h"
#include "runtime/stop.h"

namespace convox::cli {
namespace {

Result<std::vector<runtime::Listed>> all_of(const Invocation& invocation, const Containers& containers) {
  std::vector<runtime::Listed> meant;
  for (const std::string& name : invocation.arguments) meant.push_back(TRY(containers.find(invocation, name)));
  return meant;
}

// --- ps wait

struct Awaited {
  runtime::Listed container;
  UniqueFd exit;  // of a detached one: held open, it says how that ended even when its files are gone
};

std::string status_text(const runtime::Record& record) {
  return record.status == runtime::kUnknownStatus ? "unknown" : cat(record.status);
}

Result<std::string> status_after_end(const Invocation& invocation, const Awaited& one) {
  runtime::Record record = one.container.record;
  if (one.exit) {
    runtime::note_ending(record, TRY(runtime::exit_in(one.exit)));
    return status_text(record);
  }
  const Containers now = TRY(open_containers(invocation));
  const auto kept = now.find(invocation, record.id);
  return kept ? status_text(kept->record) : "unknown";  // only the terminal that it ran in was told
}

Result<int> wait(const Invocation& invocation) {
  std::optional<std::chrono::nanoseconds> within;
  const auto timeout = invocation.value("timeout");
  if (timeout) within = std::chrono::nanoseconds(TRY(parse_duration(*timeout), "--timeout"));
  const auto start = std::chrono::steady_clock::now();
  const Containers containers = TRY(open_containers(invocation));
  std::vector<Awaited> awaited;
  for (runtime::Listed& container : TRY(all_of(invocation, containers))) {
    UniqueFd exit;
    if (container.live && container.record.detached)
      if (const auto storage = containers.records.storage(container.record.id))
        if (auto file = runtime::open_exit(storage->get())) exit = std::move(*file);
    awaited.push_back({std::move(container), std::move(exit)});
  }
  for (const Awaited& one : awaited) {
    std::string status = status_text(one.container.record);
    if (one.container.live) {
      const auto left = within ? std::optional(*within - (std::chrono::steady_clock::now() - start)) : std::nullopt;
      if (!TRY(runtime::await_end(containers.records, one.container.record.id, left)))
        return invalid(cat("process ", one.container.record.id, " has not ended within ", *timeout));
      status = TRY(status_after_end(invocation, one));
    }
    TRY(print(cat(status, "\n")));
  }
  return 0;
}

// --- ps rm

Result<> remove_one(const Containers& containers, const runtime::Listed& container, int signals) {
  using namespace std::chrono_literals;
  const std::string& id = container.record.id;
  const Progress progress;
  TRY(progress.begin(cat("Removing ", id)));
  if (container.live) {
    runtime::Stop stop(containers.records, containers.host, id, 0s, signals);
    TRY(stop.begin());
    TRY(stop.finish());
    TRY(containers.records.reap(id, containers.host.cgroups));
  }
  const bool removed = TRY(containers.records.remove_kept(id, containers.host.cgroups));
  const auto left = containers.records.storage(id);
  if (!removed && left) return invalid(cat("process ", id, " is in use"));
  return progress.done();
}

Result<int> remove(const Invocation& invocation) {
  const runtime::SignalWatch signals = TRY(runtime::SignalWatch::start());
  const Containers containers = TRY(open_containers(invocation));
  // All names first: a mistyped one must not end the others.
  const std::vector<runtime::Listed> meant = TRY(all_of(invocation, containers));
  for (const runtime::Listed& container : meant)
    if (container.live && !invocation.flag("force"))
      return invalid(cat("process ", container.record.id, " is ", runtime::name(container.record.phase)))
          .advise("stop it first, or use --force");
  FirstError note;
  for (const runtime::Listed& container : meant) note(remove_one(containers, container, signals.fd()));
  TRY(std::move(note).result());
  return 0;
}

constexpr Option kWaitOptions[] = {kAppOption,
                                   {"timeout", 't', "duration", "Fail if they have not ended after so long."}};
constexpr Option kRemoveOptions[] = {kAppOption, {"force", 'f', {}, "Kill those that run."}};

}  // namespace

const Command kPsWait = {.name = "ps wait",
                         .arguments = "<pid>...",
                         .summary = "wait until processes have ended, and print their exit statuses",
                         .description =
                             "Prints a line for each, in the order given: its exit status, 128 + N if signal N ended\n"
                             "it, or `unknown`. One that is started again has not ended.",
                         .options = kWaitOptions,
                         .minimum = 1,
                         .maximum = Command::kAny,
                         .run = wait};

const Command kPsRemove = {.name = "ps rm",
                           .arguments = "<pid>...",
                           .summary = "remove finished processes and their files",
                           .description = "Their output stays in the logs.",
                           .options = kRemoveOptions,
                           .minimum = 1,
                           .maximum = Command::kAny,
                           .run = remove};

}  // namespace convox::cli
