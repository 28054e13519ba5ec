#include "runtime/exec_plan.h"

#include "runtime/launch_plan.h"

namespace convox::runtime {

Result<ExecPlan> plan_exec(ContainerConfig config, const std::vector<stage::SetLimit>& limits, bool detached,
                           const Host& host, std::string_view filter) {
  TRY(check_process(config));
  config.init = false;  // the container's PID 1 is there
  if (detached) config.terminal = false;

  ExecPlan plan;
  plan.before.emplace_back(ProtectSupervisor{});  // the child shares our memory, and the container's limit is in force
  plan.before.emplace_back(MakeExecGroup{config.id});
  // Before there is anything that it would have to end.
  if (!detached) plan.before.emplace_back(StartWatcher{host.executable_memfd_flag()});
  plan.before.emplace_back(OpenStdio{config.terminal || detached});
  plan.before.emplace_back(SealPrograms{host.executable_memfd_flag()});
  plan.before.emplace_back(CloneInto{config.namespaces});
  plan.meanwhile.emplace_back(AwaitStage{});
  plan.meanwhile.emplace_back(ResetScheduling{});  // while memory is shared, a new OOM score would be ours too
  plan.meanwhile.emplace_back(LetStageGoOn{});
  plan.meanwhile.emplace_back(AwaitPayload{});

  plan.stage = plan_joining_stage(config, limits, host, config.seccomp ? filter : std::string_view(), detached);
  plan.config = std::move(config);
  plan.detached = detached;
  return plan;
}

}  // namespace convox::runtime
