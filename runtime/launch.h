// How is a LaunchPlan performed?
//
// Step by step, in the plan's order: `before`, the clone, `meanwhile`, and then the wait for the stage. Every side
// effect is named by the record that the first step writes, so the answer to any failure is one call,
// Containers::dispose; nothing here undoes anything by itself. Read next: launch_steps.cc (small steps),
// launch_devices.cc (/dev), launch_root.cc (the file system), clone.cc (the child).
#pragma once
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cgroups/cgroup.h"
#include "runtime/clone.h"
#include "runtime/containers.h"
#include "runtime/launch_plan.h"

namespace convox::runtime {

// Called after each step with its number and duration; for --trace. Steps of the stage come when the host side reads of
// them.
using StepDone = std::function<void(std::size_t number, std::chrono::nanoseconds duration)>;

// A container whose payload runs.
struct Running {
  UniqueFd pidfd;
  int pid = -1;  // in our PID namespace
  std::optional<cgroups::Cgroup> cgroup;
  // Either our ends of three pipes, or the master of the container's terminal.
  UniqueFd input, output, error_output;
  UniqueFd console;
};

class Launch {
 public:
  // `signals` is a signalfd: a signal during the launch ends it with Error::kInterrupted. All references must outlive
  // this.
  Launch(const LaunchPlan& plan, const Containers& containers, const Claim& claim, const cgroups::Hierarchy& hierarchy,
         Record record, int signals, StepDone done = nullptr);

  // Ends a child that did not become a payload, before the memory that it may still share goes.
  ~Launch();
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;

  // Errors are `.under("step N of M, what it does")`. After one the caller disposes of the claim.
  Result<Running> perform();
  // The record as it was last written.
  [[nodiscard]] const Record& record() const { return record_; }

 private:
  Result<> perform_all(const std::vector<HostStep>& steps, std::size_t first);

  // launch_steps.cc
  Result<> perform(const ProtectSupervisor&);
  Result<> perform(const WriteRecord&);
  Result<> perform(const LeaseIds&);
  Result<> perform(const MakeStorage&);
  Result<> perform(const MakeCgroup&);
  Result<> perform(const OpenStdio&);
  Result<> perform(const SealPrograms&);
  Result<> perform(const CloneChild&);
  Result<> perform(const WriteIdMaps&);
  Result<> perform(const ResetScheduling&);
  Result<> perform(const LetStageBegin&);
  Result<> perform(const LimitMemory&);
  Result<> perform(const HandOver&);
  // launch_root.cc
  Result<> perform(const MountOverlay&);
  Result<> perform(const OpenVolume&);
  // launch_devices.cc
  Result<> perform(const MakeDevices&);
  Result<> perform(const OpenSysfs&);
  // launch.cc
  Result<> perform(const AwaitStage&);
  Result<> perform(const AwaitPayload&);

  struct Incoming {
    std::optional<stage::Report> report;  // nothing: end of file
    UniqueFd descriptor;
  };
  Result<Incoming> receive();
  Error failure(const stage::Report& report) const;
  Error ended_early() const;
  Error why_it_ended();
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
  int signals_;
  StepDone done_;
  std::chrono::steady_clock::time_point deadline_;
  bool reported_ = false;  // the error at hand came from the stage and names its step

  std::optional<std::uint32_t> first_id_;  // host id of the container's root
  std::optional<cgroups::Cgroup> cgroup_;
  UniqueFd storage_;             // ROOT/containers/<id>
  UniqueFd stage_, stage_plan_;  // sealed
  UniqueFd socket_, child_socket_;
  UniqueFd child_stdio_[3];
  UniqueFd user_namespace_;
  unsigned root_mode_ = 0755;     // of the container's "/"
  std::vector<UniqueFd> mounts_;  // for HandOver, by slot
  ChildMemory memory_;
  UniqueFd helper_;  // pidfd of the one that stacked the overlay
  Child child_;
  Running running_;
};

}  // namespace convox::runtime
