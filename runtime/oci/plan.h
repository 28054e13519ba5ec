// What will be done for a `create` or `run`, or for an `exec`?
//
// As in launch_plan.h: an ordered list of small deeds, made by a pure function of what is wanted and what this host can
// do; the stage's part are the steps of stage/plan.h. What differs from a launch of convox is only what config.json
// decides: the root is somebody else's directory, namespaces may be joined, mounts come from a list, hooks run in
// between, and a `create` stops at a gate. The order is that of oci-runtime contract, "config.json checklist". Read
// next: launch.h.
//
// Sources of mounts are opened on the host side, before anything inside could change what a path means, and travel to
// the stage as detached mounts with all attributes set; new file systems are mounted by the stage, whose user namespace
// owns them. A tmpfs at /dev is made by the host side, with its nodes.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "runtime/host.h"
#include "runtime/oci/config.h"
#include "runtime/oci/lsm.h"
#include "runtime/plan.h"

namespace convox::oci {

using runtime::AwaitPayload;
using runtime::AwaitStage;
using runtime::LetStageGoOn;
using runtime::SealPrograms;

enum class CgroupDriver { kCgroupfs, kSystemd, kDisabled };

// What the command line says beside config.json.
struct Wishes {
  std::string id, bundle;  // bundle: absolute
  bool gate = true;        // create; false: run
  bool no_pivot = false;
  bool new_keyring = true;
  std::uint32_t preserved = 0;  // descriptors from 3 on for the payload, LISTEN_FDS counted in
  std::uint32_t listening = 0;  // LISTEN_FDS: the first of them
  std::string listening_names;  // LISTEN_FDNAMES
  std::string notify_socket;    // of the host, from NOTIFY_SOCKET; empty: none
  CgroupDriver driver = CgroupDriver::kCgroupfs;
  bool rootless = false;          // missing rights over cgroups are no error where no limit was asked for
  bool setgroups_denied = false;  // in our own user namespace: /proc/self/setgroups
  bool weights_by_bfq = false;    // groups have io.bfq.weight
  SecurityModules modules;        // if a label is asked for
};

// --- steps of the host side ------------------------------------------------------------------------------------------
struct WriteState {};  // before any side effect: who finds it can undo them all. The configuration goes with it.
struct MakeCgroup {
  CgroupDriver driver = CgroupDriver::kCgroupfs;
  std::string path;  // below the hierarchy's root; with systemd SLICE:PREFIX:NAME
  std::vector<std::string> controllers;
  std::vector<cgroups::FileValue> settings;  // all but memory.max
  bool may_lack = false;                     // no limit was asked for: without the right to make one there is none
};
struct FilterDevices {
  std::vector<cgroups::DeviceRule> rules;
};
struct MakeGate {};
struct CloneChild {
  std::uint64_t namespaces = 0;   // new ones: CLONE_NEW*
  std::vector<Namespace> joined;  // in the order in which they are joined
  bool awaits_maps = false;       // it is in a user namespace that is not ours: becomes its root before the stage
};
struct WriteIdMaps {
  std::vector<IdMapping> uids, gids;
};
struct LetStageBegin {};
struct OpenRoot {
  std::string path;  // absolute, no link at its end
  std::uint64_t attributes = 0;
  std::uint64_t propagation = 0;
};
struct OpenBind {
  Mount mount;  // source: absolute
  bool is_file = false;
};
struct CopyUp {  // a tmpfs with what the root has at that place
  Mount mount;
};
struct MakeDevices {  // a tmpfs for /dev with these nodes, and the usual links
  Mount mount;
  std::vector<Device> devices;
};
struct OpenNotify {};  // ROOT/<id>/notify, where `start` will listen
struct OpenNode {      // a node of the host, to be shown where one cannot be made
  Device device;
};
struct SetOomScore {
  std::int32_t value = 0;
  bool may_fail = false;  // with EACCES: a user may not lower it
};
struct SetAffinity {       // while it shares our memory only its own mask changes: it is a thread's
  std::string processors;  // "0-3,7"; empty: all that its cgroup has
};
struct LimitMemory {
  cgroups::FileValue setting;
};
struct DelegateCgroup {};  // its files become the container root's
struct JoinResctrl {
  IntelRdt rdt;
};
struct MoveNetDevices {
  std::vector<NetDevice> devices;
};
struct HandOver {};    // mounts, files and sockets, by descriptor
struct AwaitHooks {};  // the stage's word that all mounts are made
struct RunHooks {
  std::vector<Hook> hooks;  // prestart, or createRuntime
  bool created = false;     // what the state says: `created`, else `creating`
};
struct AwaitCreated {};  // the gate, and with a terminal its master, which goes to the console socket
struct WritePidFile {};  // if one is wanted
struct StateCreated {};  // the state knows the process: from here on `delete` can end it
// exec
struct CloneInto {
  std::uint64_t namespaces = 0;  // CLONE_NEW*: that the container has of its own
  std::string processors;        // where it may run at first; empty: where we may
  std::string cgroup;            // below the container's; empty: where its first process is
};

using HostStep =
    std::variant<WriteState, MakeCgroup, FilterDevices, MakeGate, SealPrograms, CloneChild, CloneInto, WriteIdMaps,
                 LetStageBegin, OpenRoot, OpenBind, CopyUp, MakeDevices, OpenNode, OpenNotify, AwaitStage, SetOomScore,
                 SetAffinity, LimitMemory, DelegateCgroup, JoinResctrl, MoveNetDevices, StateCreated, HandOver,
                 AwaitHooks, RunHooks, LetStageGoOn, AwaitCreated, AwaitPayload, WritePidFile>;

struct Plan : runtime::PlanOf<HostStep> {
  Config config;
  Wishes wishes;
};

// Is the source of a bind mount something else than a directory? False also for what is not there: to open it will say
// so better.
using IsFile = bool (*)(const std::string& path);
bool is_file(const std::string& path);

// `filter` is the seccomp program, empty for none. Fails for what this host cannot do; never plans less than was asked.
// `source_is_file` is the one look at the host that it takes.
Result<Plan> plan_create(Config config, Wishes wishes, const runtime::Host& host, std::string_view filter,
                         IsFile source_is_file = is_file);

// What an exec's process lacks, from the container's own.
Process complete_process(Process process, const Process& of_container);

struct ExecWishes {
  std::string id;
  bool detached = false;
  std::uint32_t preserved = 0;
  bool setgroups_denied = false;  // in the container's user namespace
  SecurityModules modules;        // if a label is asked for
  std::string cgroup;             // below the container's; empty: where its first process is
};
// `config` is the container's, `process` what is to be run in it, already completed with what the container's process
// has (complete_process). `kinds`: namespaces that the container has of its own, CLONE_NEW*.
Result<Plan> plan_exec(const Config& config, Process process, ExecWishes wishes, std::uint64_t kinds,
                       const runtime::Host& host, std::string_view filter);

}  // namespace convox::oci
