// What will be done to start this container, from the first side effect to the payload's execve?
//
// A launch is an ordered list of small deeds. `plan_launch` is a pure function of what is wanted and what this host can
// do;
// --explain prints its result, a plain run performs it, and a failure comes back as the number of a step. The host
// side's steps are below and in plan.h; the stage's are in stage/plan.h.
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
#include "runtime/plan.h"
#include "runtime/resolvers.h"

namespace convox::runtime {

struct WriteRecord {};  // before any side effect: who finds it can undo them all
struct LeaseIds {};     // 65,536 host ids that no other container has
struct LeaseAddress {   // in a network, and the ports of the host that lead there
  ContainerNetwork network;
  std::string service;
};
struct MakeStorage {};  // upper and work directory of the overlay
struct MakeCgroup {
  std::string path;  // below the hierarchy's root
  cgroups::Controllers controllers;
  std::vector<cgroups::Setting> settings;  // all but memory.max
};
struct CloneChild {
  Namespaces namespaces;
};
struct WriteIdMaps {};
struct LetStageBegin {};
struct StartNetwork {  // convox-net makes the link, while we go on
  std::string name;
};
struct AwaitNetwork {
  std::string name;
};
struct MakeDevices {  // /dev, and on it the files that PlaceFile moves to /etc
  Resolvers resolvers = Resolvers::kNone;
};
struct OpenNames {  // the network's hosts file
  std::string network;
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
struct LimitMemory {
  cgroups::Setting setting;
};
struct HandOver {};  // the mounts, by descriptor

using HostStep = std::variant<ProtectSupervisor, WriteRecord, LeaseIds, LeaseAddress, MakeStorage, MakeCgroup,
                              OpenStdio, SealPrograms, CloneChild, StartNetwork, WriteIdMaps, ResetScheduling,
                              LetStageBegin, MountOverlay, MakeDevices, OpenNames, OpenSysfs, OpenVolume, AwaitStage,
                              LimitMemory, AwaitNetwork, HandOver, AwaitPayload>;

struct LaunchPlan : PlanOf<HostStep> {
  ContainerConfig config;
};

// A place where something is to be mounted, in its one plain form, "/a/b"; `..` would make two places of one name. An
// error for places that are ours. The stage refuses what links make of it; here it is what somebody wrote. `what` is
// for the error.
Result<std::string> plain_target(std::string_view what, std::string_view path);

// What a command must be: a name to execute, an absolute directory, an environment of names and values.
Result<> check_process(const ContainerConfig& config);

// Fails for what this host cannot do (check_host, cgroups::check_limits); never plans less than what was asked.
// `filter` is the seccomp program for config.capabilities, empty with config.seccomp false.
Result<LaunchPlan> plan_launch(ContainerConfig config, const Host& host, std::string_view filter);

}  // namespace convox::runtime
