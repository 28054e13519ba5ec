#include "cli/cmd_update.h"

#include "cli/containers_view.h"
#include "cli/limit_flags.h"
#include "cli/progress.h"
#include "runtime/update.h"

namespace convox::cli {
namespace {

constexpr Option kOptions[] = {kAppOption,    kCpuOption,         kCpuLimitOption,
                               kMemoryOption, kMemoryLimitOption, kPidsLimitOption};

Result<int> update(const Invocation& invocation) {
  const cgroups::Limits changes = TRY(limits_of(invocation));
  if (cgroups::settings(changes).empty())
    return invalid("no limit given").advise("--cpu, --cpu-limit, --memory, --memory-limit or --pids-limit");
  const Containers containers = TRY(open_containers(invocation));
  const runtime::Listed found = TRY(containers.find(invocation, invocation.arguments[0]));
  TRY(runtime::check_running(found));
  const Progress progress;
  TRY(progress.begin(cat("Updating ", found.record.id)));
  TRY(runtime::update_limits(containers.records, containers.host, found.record, changes));
  TRY(progress.done());
  return 0;
}

}  // namespace

const Command kUpdate = {.name = "update",
                         .arguments = "<pid>",
                         .summary = "change the limits of a running process",
                         .description =
                             "What is not given stays. Either all is changed or nothing; a restart keeps it. A memory\n"
                             "limit below what the process uses is refused, for the kernel would kill it.",
                         .options = kOptions,
                         .minimum = 1,
                         .maximum = 1,
                         .run = update};

}  // namespace convox::cli
