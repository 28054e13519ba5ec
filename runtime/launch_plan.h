// What will be done to start this container, from the first side effect to the payload's execve?
//
// A launch is an ordered list of small deeds. `plan_launch` is a pure function of what is wanted and what this host can
// do;
// --explain prints its result, a plain run performs it, and a failure comes back as the number of a step. The host
// side's steps are below; the stage's are in stage/plan.h.
//
//   before      the host side: everything that needs no child yet
//   clone       one clone3 into all new namespaces and into the cgroup
//   meanwhile   the host side, while the child executes the stage and the stage cleans itself up
//   stage       inside, up to execve
#pragma once
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cgroups/limits.h"
#include "runtime/container_config.h"
#include "runtime/host.h"
#include "runtime/stage_plan.h"

namespace convox::runtime {

struct ProtectSupervisor {};  // the OOM killer shall take the container, not the one who must report and undo it
struct WriteRecord {};        // before any side effect: who finds it can undo them all
struct LeaseIds {};           // 65,536 host ids that no other container has
struct MakeStorage {};        // upper and work directory of the overlay
struct MakeCgroup {
  std::string path;  // below the hierarchy's root
  cgroups::Controllers controllers;
  std::vector<cgroups::Setting> settings;  // all but memory.max
};
struct OpenStdio {  // three pipes, or nothing yet: the stage opens the terminal
  bool terminal = false;
};
struct SealPrograms {           // the stage and its plan, in memory files that nobody can change
  bool executable_flag = true;  // the kernel knows MFD_EXEC and F_SEAL_EXEC
};
struct CloneChild {
  Namespaces namespaces;
};
struct WriteIdMaps {};
struct ResetScheduling {};  // nice, policy, affinity, I/O priority, OOM score: the caller's are not the payload's
struct LetStageBegin {};
struct MakeDevices {  // /dev, and on it the files that PlaceFile moves to /etc
  bool host_resolvers = false;
};
struct MountOverlay {
  std::vector<std::string> layers;  // chain ids, bottom first
  bool idmapped = true;             // with the child's user namespace
  bool keep = false;                // else volatile: what nobody will read again need not be synced to disk
};
struct OpenSysfs {};  // the host's network is shown by the host's sysfs
struct OpenVolume {
  Volume volume;
  bool idmapped = true;
};
struct AwaitStage {};  // its hello: from now on it has memory of its own
struct LimitMemory {
  cgroups::Setting setting;
};
struct HandOver {};      // the mounts, by descriptor
struct AwaitPayload {};  // until execve

using HostStep = std::variant<ProtectSupervisor, WriteRecord, LeaseIds, MakeStorage, MakeCgroup, OpenStdio,
                              SealPrograms, CloneChild, WriteIdMaps, ResetScheduling, LetStageBegin, MountOverlay,
                              MakeDevices, OpenSysfs, OpenVolume, AwaitStage, LimitMemory, HandOver, AwaitPayload>;

struct LaunchPlan {
  ContainerConfig config;
  std::vector<HostStep> before;  // the last one is CloneChild
  std::vector<HostStep> meanwhile;
  StagePlan stage;

  // Steps are numbered from 1 through all three lists, as --explain prints them.
  [[nodiscard]] std::size_t first_meanwhile() const { return before.size() + 1; }
  [[nodiscard]] std::size_t first_of_stage() const { return before.size() + meanwhile.size() + 1; }
  [[nodiscard]] std::size_t size() const { return before.size() + meanwhile.size() + stage.steps().size(); }
};

// A place where something is to be mounted, in its one plain form, "/a/b"; `..` would make two places of one name. An
// error for places that are ours. The stage refuses what links make of it; here it is what somebody wrote. `what` is
// for the error.
Result<std::string> plain_target(std::string_view what, std::string_view path);

// Fails for what this host cannot do (check_host, cgroups::check_limits); never plans less than what was asked.
// `filter` is the seccomp program for config.capabilities, empty with config.seccomp false.
Result<LaunchPlan> plan_launch(ContainerConfig config, const Host& host, std::string_view filter);

}  // namespace convox::runtime
