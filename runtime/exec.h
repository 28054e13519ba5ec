// How is an ExecPlan performed?
//
// As a launch is, step by step; but the container is there, so all that is new and would outlive us is one cgroup,
// whose file says that we live (exec_group.h). Whatever happened, `end` kills what is in it and removes both. Read
// next: exec_target.h (what is joined), stage_child.h (the child), watcher.h (if we are killed).
#pragma once
#include <optional>

#include "runtime/exec_group.h"
#include "runtime/exec_plan.h"
#include "runtime/exec_target.h"
#include "runtime/scheduling.h"
#include "runtime/stage_child.h"
#include "runtime/watcher.h"

namespace convox::runtime {

class Exec {
 public:
  // `groups` is RUN/exec. `signals` as of StageChild. All references must outlive this.
  Exec(const ExecPlan& plan, const ExecTarget& target, int groups, int signals, StepDone done = nullptr)
      : plan_(plan),
        target_(target),
        groups_(groups),
        child_(plan, expected_of(plan.config), signals, std::move(done)) {}

  [[nodiscard]] const ExecPlan& plan() const { return plan_; }
  // Errors are `.under("step N of M, what it does")`. After one the caller calls `end`.
  Result<Running> perform();
  // Of a detached command that runs: it is nobody's from now on.
  Result<> leave();
  // Ends what is left of its processes. May be repeated.
  Result<> end();

 private:
  Result<> perform(const ProtectSupervisor&) { return lower_own_oom_score(); }
  Result<> perform(const MakeExecGroup&);
  Result<> perform(const StartWatcher&);
  Result<> perform(const OpenStdio& step) { return child_.open_stdio(step, target_.root_id); }
  Result<> perform(const SealPrograms& step) { return child_.seal(step); }
  Result<> perform(const CloneInto& step);
  Result<> perform(const AwaitStage&) { return child_.await_hello(); }
  Result<> perform(const ResetScheduling&) { return reset_scheduling(child_.pid()); }
  Result<> perform(const LetStageGoOn&) { return child_.go(); }
  Result<> perform(const AwaitPayload&) { return child_.await_payload(); }

  const ExecPlan& plan_;
  const ExecTarget& target_;
  int groups_;
  std::optional<ExecGroup> group_;
  std::optional<Watcher> watcher_;
  StageChild child_;
};

}  // namespace convox::runtime
