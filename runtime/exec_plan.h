// What will be done to run one more command in a container that runs?
//
// The same stage as a launch's, with the same last steps; but the namespaces, the file system and the limits are there
// already. So there is nothing to prepare and little to undo: a cgroup below the container's. `plan_exec` is pure.
//
//   before      the host side: a group for the new processes, their input and output, who ends them if we cannot
//   clone       one clone3 into that group and the container's PID namespace; the child joins all others by itself
//   meanwhile   the host side waits
//   stage       inside, up to execve
//
// Read next: exec.h (performing), stage_plan.cc (the stage's steps).
#pragma once
#include <string>
#include <string_view>
#include <variant>

#include "runtime/container_config.h"
#include "runtime/host.h"
#include "runtime/plan.h"

namespace convox::runtime {

struct MakeExecGroup {
  std::string container;
};
struct StartWatcher {  // kills the group when we die
  bool executable_flag = true;
};
struct CloneInto {
  Namespaces namespaces;  // that the container has of its own
};

using ExecStep = std::variant<ProtectSupervisor, MakeExecGroup, StartWatcher, OpenStdio, SealPrograms, CloneInto,
                              AwaitStage, ResetScheduling, LetStageGoOn, AwaitPayload>;

struct ExecPlan : PlanOf<ExecStep> {
  ContainerConfig config;
  bool detached = false;
};

// `config` is the container's own, as it was launched, with what the command has of its own: argv, env, directory,
// user, terminal. Its confinement stays as it is: nothing of the caller's comes along. `detached`: nobody waits for the
// command, and it lives on without us.
// `limits` are those of the container's first process.
Result<ExecPlan> plan_exec(ContainerConfig config, const std::vector<stage::SetLimit>& limits, bool detached,
                           const Host& host, std::string_view filter);

}  // namespace convox::runtime
