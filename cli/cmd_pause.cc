#include "cli/cmd_pause.h"

#include "cgroups/cgroup.h"
#include "cgroups/stats.h"
#include "cli/containers_view.h"
#include "cli/progress.h"

namespace convox::cli {
namespace {

constexpr std::chrono::seconds kPatience{10};  // for a process that is deep in the kernel

struct Target {
  std::string id;
  cgroups::Cgroup group;
  bool frozen;
};

Result<Target> target_of(const Invocation& invocation) {
  const Containers containers = TRY(open_containers(invocation));
  const runtime::Listed found = TRY(containers.find(invocation, invocation.arguments[0]));
  TRY(runtime::check_running(found));
  cgroups::Cgroup group = TRY(cgroups::Cgroup::open(containers.host.cgroups, found.record.cgroup));
  const bool frozen = TRY(cgroups::is_frozen(group));
  return Target{found.record.id, std::move(group), frozen};
}

Result<int> pause(const Invocation& invocation) {
  const Target target = TRY(target_of(invocation));
  if (target.frozen) return invalid(cat("process ", target.id, " is paused already"));
  const Progress progress;
  TRY(progress.begin(cat("Pausing ", target.id)));
  TRY(target.group.freeze(kPatience));
  TRY(progress.done());
  return 0;
}

Result<int> resume(const Invocation& invocation) {
  const Target target = TRY(target_of(invocation));
  if (!target.frozen) return invalid(cat("process ", target.id, " is not paused"));
  const Progress progress;
  TRY(progress.begin(cat("Resuming ", target.id)));
  TRY(target.group.thaw(kPatience));
  TRY(progress.done());
  return 0;
}

constexpr Option kOptions[] = {kAppOption};

}  // namespace

const Command kPause = {.name = "pause",
                        .arguments = "<pid>",
                        .summary = "stop a process where it stands, to go on later",
                        .description = "All of the container stands still, its memory stays. It does not notice.",
                        .options = kOptions,
                        .minimum = 1,
                        .maximum = 1,
                        .run = pause};

const Command kResume = {.name = "resume",
                         .arguments = "<pid>",
                         .summary = "let a paused process go on",
                         .options = kOptions,
                         .minimum = 1,
                         .maximum = 1,
                         .run = resume};

}  // namespace convox::cli
