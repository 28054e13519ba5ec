// Who performs the steps of a plan, and what does one step leave for the next?
//
// Inside of launch.cc; its callers know create() and exec() alone. Read next: launch_steps.cc, launch_mounts.cc,
// launch_devices.cc.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/oci/launch.h"

namespace convox::oci {

class Launch {
 public:
  // Where things are that the plan does not name. `claim`: none in an exec, `process`: none in a create.
  struct Surroundings {
    const States* states = nullptr;
    const Claim* claim = nullptr;
    const UniqueFd* process = nullptr;  // pidfd of the container's first process
    const cgroups::Hierarchy& hierarchy;
    const Outlets& outlets;
  };
  Launch(const Plan& plan, const Surroundings& around, State& state, int signals, runtime::StepDone trace);
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;

  Result<Started> perform();
  // Where the payload of a `run` says that it is ready.
  [[nodiscard]] const UniqueFd& notify() const { return notify_; }

 private:
  // launch_steps.cc
  Result<> perform(const WriteState&);
  Result<> perform(const MakeCgroup&);
  Result<> perform(const FilterDevices&);
  Result<> perform(const MakeGate&);
  Result<> perform(const SealPrograms& step) { return child_.seal(step); }
  Result<> perform(const CloneChild&);
  Result<> perform(const CloneInto&);
  Result<> perform(const WriteIdMaps&);
  Result<> perform(const LetStageBegin&) { return child_.go(); }
  Result<> perform(const AwaitStage&) { return child_.await_hello(); }
  Result<> perform(const SetOomScore&);
  Result<> perform(const SetAffinity&);
  Result<> perform(const LimitMemory&);
  Result<> perform(const DelegateCgroup&);
  Result<> perform(const JoinResctrl&);
  Result<> perform(const MoveNetDevices&);
  Result<> perform(const StateCreated&);
  Result<> perform(const HandOver&);
  Result<> perform(const AwaitHooks&) { return child_.await_hooks(); }
  Result<> perform(const RunHooks&);
  Result<> perform(const LetStageGoOn&) { return child_.go(); }
  Result<> perform(const AwaitCreated&);
  Result<> perform(const AwaitPayload&);
  Result<> perform(const WritePidFile&);
  // launch_mounts.cc
  Result<> perform(const OpenRoot&);
  Result<> perform(const OpenBind&);
  Result<> perform(const CopyUp&);
  Result<> perform(const OpenNotify&);
  // launch_devices.cc
  Result<> perform(const MakeDevices&);
  Result<> perform(const OpenNode&);

  Result<std::vector<runtime::Joined>> open_joined(const std::vector<Namespace>& namespaces);
  Result<> open_user_namespace();
  Result<> learn_root();
  Result<> settle_console();
  Result<int> inner_pid() const;
  Result<UniqueFd> bind_source(const OpenBind& step) const;
  Result<int> user_namespace_of(const Mount& mount);
  [[nodiscard]] bool own_user_namespace() const { return plan_.config.has_own(Kind::kUser); }

  const Plan& plan_;
  Surroundings around_;
  State& state_;
  std::optional<cgroups::Cgroup> cgroup_;
  UniqueFd gate_;
  std::vector<UniqueFd> joined_;               // namespaces
  UniqueFd user_namespace_;                    // the container's, if it has one of its own
  std::uint32_t root_uid_ = 0, root_gid_ = 0;  // its root, as we see it
  std::map<std::string, UniqueFd> mapped_;     // user namespaces for idmaps, by their maps
  std::vector<UniqueFd> slots_;                // what HandOver sends, by slot
  UniqueFd notify_;
  UniqueFd create_output_;  // what hooks inside said
  runtime::StageChild child_;
};

}  // namespace convox::oci
