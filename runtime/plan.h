// What do the plan of a launch and that of an exec have in common?
//
// Both are steps of the host side around one clone, then the stage's; both are numbered, printed, traced and performed
// in the same way. launch_plan.h and exec_plan.h say which steps they are; the ones that both have stand here.
#pragma once
#include <variant>
#include <vector>

#include "runtime/stage_plan.h"

namespace convox::runtime {

struct ProtectSupervisor {};  // the OOM killer shall take the container, not the one who must report and undo it
struct OpenStdio {            // three pipes, or nothing yet: the stage opens a terminal or its own /dev/null
  bool by_stage = false;
};
struct SealPrograms {           // the stage and its plan, in memory files that nobody can change
  bool executable_flag = true;  // the kernel knows MFD_EXEC and F_SEAL_EXEC
};
struct AwaitStage {};       // its hello: from now on it has memory of its own
struct ResetScheduling {};  // nice, policy, affinity, I/O priority, OOM score: the caller's are not the payload's
struct LetStageGoOn {};
struct AwaitPayload {};  // until execve

template <class Step>
struct PlanOf {
  std::vector<Step> before;  // the last one makes the child
  std::vector<Step> meanwhile;
  StagePlan stage;

  // Steps are numbered from 1 through all three lists, as --explain prints them.
  [[nodiscard]] std::size_t first_meanwhile() const { return before.size() + 1; }
  [[nodiscard]] std::size_t first_of_stage() const { return before.size() + meanwhile.size() + 1; }
  [[nodiscard]] std::size_t size() const { return before.size() + meanwhile.size() + stage.steps().size(); }
};

}  // namespace convox::runtime
