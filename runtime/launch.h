// How is a LaunchPlan performed?
//
// Step by step, in the plan's order: `before`, the clone, `meanwhile`, and then the wait for the stage. Every side
// effect is named by the record that the first step writes, so the answer to any failure is one call,
// Containers::dispose; nothing here undoes anything by itself. Read next: launch_steps.cc (small steps),
// launch_devices.cc (/dev), launch_root.cc (the file system), clone.cc (the child).
#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "cgroups/cgroup.h"
#include "runtime/base/process.h"
#include "runtime/containers.h"
#include "runtime/launch_plan.h"
#include "runtime/scheduling.h"
#include "runtime/stage_child.h"

namespace convox::runtime {

class Launch {
 public:
  // `signals` is a signalfd: a signal during the launch ends it with Error::kInterrupted. All references must outlive
  // this.
  Launch(const LaunchPlan& plan, const Containers& containers, const Claim& claim, const cgroups::Hierarchy& hierarchy,
         Record record, int signals, StepDone done = nullptr);

  ~Launch();
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;

  // Errors are `.under("step N of M, what it does")`. After one the caller disposes of the claim.
  Result<Running> perform();
  // The record as it was last written.
  [[nodiscard]] const Record& record() const { return record_; }

 private:
  // launch_steps.cc
  Result<> perform(const WriteRecord&);
  Result<> perform(const LeaseIds&);
  Result<> perform(const MakeStorage&);
  Result<> perform(const MakeCgroup&);
  Result<> perform(const CloneChild&);
  Result<> perform(const WriteIdMaps&);
  Result<> perform(const LetStageBegin&) { return child_.go(); }
  Result<> perform(const LimitMemory&);
  Result<> perform(const HandOver&);
  // launch_root.cc
  Result<> perform(const MountOverlay&);
  Result<> perform(const OpenVolume&);
  // launch_network.cc
  Result<> perform(const LeaseAddress&);
  Result<> perform(const StartNetwork&);
  Result<> perform(const OpenNames&);
  Result<> perform(const AwaitNetwork&);
  void end_network_helper();
  // launch_devices.cc
  Result<> perform(const MakeDevices&);
  Result<> perform(const OpenSysfs&);
  // What an exec does too.
  Result<> perform(const ProtectSupervisor&) { return lower_own_oom_score(); }
  Result<> perform(const OpenStdio& step) { return child_.open_stdio(step, root_id()); }
  Result<> perform(const SealPrograms& step) { return child_.seal(step); }
  Result<> perform(const AwaitStage&) { return child_.await_hello(); }
  Result<> perform(const ResetScheduling&) { return reset_scheduling(child_.pid()); }
  // launch.cc
  Result<> perform(const AwaitPayload&);

  // Makes a detached mount private and sets its MOUNT_ATTR_* and, with a user namespace, its idmap.
  Result<> set_attributes(int tree, std::uint64_t attributes, bool idmapped, bool whole, const std::string& what) const;
  // launch_root.cc
  Result<> take_root_from(int layer);
  Result<UniqueFd> stack(const std::vector<UniqueFd>& trees, bool keep) const;
  [[nodiscard]] std::uint32_t root_id() const { return first_id_.value_or(0); }

  const LaunchPlan& plan_;
  const Containers& containers_;
  const Claim& claim_;
  const cgroups::Hierarchy& hierarchy_;
  Record record_;

  std::optional<std::uint32_t> first_id_;  // host id of the container's root
  std::optional<networks::Lease> lease_;
  std::optional<convox::Running> network_;  // convox-net, until it has ended
  std::optional<cgroups::Cgroup> cgroup_;
  UniqueFd storage_;  // ROOT/containers/<id>
  UniqueFd user_namespace_;
  unsigned root_mode_ = 0755;     // of the container's "/"
  std::vector<UniqueFd> mounts_;  // for HandOver, by slot
  UniqueFd helper_;               // pidfd of the one that stacked the overlay
  const int signals_;
  StageChild child_;
};

}  // namespace convox::runtime
