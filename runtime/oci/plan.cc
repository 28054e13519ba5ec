#include "runtime/oci/plan.h"

#include <linux/mount.h>
#include <linux/sched.h>
#include <sys/mount.h>

#include <algorithm>

#include "cgroups/device_filter.h"
#include "runtime/base/words.h"
#include "runtime/oci/stage_plan.h"
#include "runtime/oci/state.h"

namespace convox::oci {
namespace {

using runtime::Host;

constexpr std::string_view kUnitPrefix = "convox";  // of a scope that the configuration does not name

// In which order are namespaces of others joined? The user namespace is what decides about rights over the rest: with
// rights before, it comes last, for it takes those rights away; without, first, for it gives them. setns(2)
std::vector<Namespace> joined_of(const Config& config, const Host& host) {
  std::vector<Namespace> joined;
  const Namespace* user = nullptr;
  for (const Namespace& one : config.namespaces) {
    if (one.path.empty() || one.kind == Kind::kTime) continue;  // that one is the stage's
    if (one.kind == Kind::kUser)
      user = &one;
    else
      joined.push_back(one);
  }
  const bool may = host.initial_user_namespace && (host.effective_capabilities & security::bit(CAP_SYS_ADMIN)) != 0;
  if (user) joined.insert(may ? joined.end() : joined.begin(), *user);
  return joined;
}

std::uint64_t new_kinds(const Config& config) {
  std::uint64_t kinds = 0;
  for (const Namespace& one : config.namespaces)
    if (one.path.empty() && one.kind != Kind::kTime) kinds |= flag_of(one.kind);
  return kinds;
}

// Below the hierarchy's root. With systemd SLICE:PREFIX:NAME, whole.
Result<std::string> group_of(const Config& config, const Wishes& wishes) {
  const std::string& path = config.cgroups_path;
  if (wishes.driver == CgroupDriver::kSystemd) {
    const char* slice = wishes.rootless ? "user.slice" : "system.slice";
    if (path.empty()) return cat(slice, ":", kUnitPrefix, ":", wishes.id);
    if (std::count(path.begin(), path.end(), ':') != 2)
      return invalid(cat("linux.cgroupsPath \"", path, "\" is not SLICE:PREFIX:NAME, as the systemd driver wants it"));
    return path.front() == ':' ? cat(slice, path) : path;
  }
  return cgroup_of(path, wishes.id);
}

class Planner {
 public:
  Planner(Plan& plan, const Host& host, MountPlan mounts)
      : plan_(plan), config_(plan.config), wishes_(plan.wishes), host_(host), mounts_(std::move(mounts)) {}

  Result<> plan(std::string_view filter) {
    before(WriteState{});  // before any side effect: what it names can be undone by whoever reads it
    TRY(plan_cgroup());
    if (wishes_.gate) before(MakeGate{});
    before(SealPrograms{host_.executable_memfd_flag()});
    const bool foreign = config_.has_own(Kind::kUser);
    before(CloneChild{new_kinds(config_), joined_of(config_, host_), foreign});

    if (config_.is_new(Kind::kUser)) meanwhile(WriteIdMaps{config_.uid_mappings, config_.gid_mappings});
    if (foreign) meanwhile(LetStageBegin{});  // as early as the maps allow: the stage starts while we mount
    open_root();
    for (const Placed& placed : mounts_.mounts) std::visit([&](const auto& source) { bring(source); }, placed.source);
    meanwhile(AwaitStage{});
    meanwhile(SetAffinity{});
    shape();
    meanwhile(StateCreated{});
    meanwhile(HandOver{});
    run_hooks();
    if (wishes_.gate)
      meanwhile(AwaitCreated{});
    else
      meanwhile(runtime::AwaitPayload{});
    meanwhile(WritePidFile{});
    plan_.stage = TRY(plan_stage(config_, wishes_, mounts_, host_, filter));
    return ok();
  }

 private:
  void before(HostStep step) { plan_.before.push_back(std::move(step)); }
  void meanwhile(HostStep step) { plan_.meanwhile.push_back(std::move(step)); }

  Result<> plan_cgroup() {
    if (wishes_.driver == CgroupDriver::kDisabled) return ok();
    MakeCgroup group;
    group.driver = wishes_.driver;
    group.path = TRY(group_of(config_, wishes_));
    group.settings = TRY(cgroups::settings(config_.resources, wishes_.weights_by_bfq));
    group.controllers = cgroups::controllers_of(group.settings);
    group.may_lack = group.settings.empty() && (wishes_.rootless || !host_.initial_user_namespace);
    if (host_.no_cgroups) return group.may_lack ? ok() : Result<>(*host_.no_cgroups);
    const auto memory = std::find_if(group.settings.begin(), group.settings.end(),
                                     [](const auto& setting) { return setting.file == "memory.max"; });
    if (memory != group.settings.end()) {
      limit_memory_ = LimitMemory{*memory};
      group.settings.erase(memory);
    }
    before(std::move(group));
    before(FilterDevices{cgroups::with_default_devices(config_.resources.devices)});
    return ok();
  }

  void open_root() {
    const std::string path = config_.root.starts_with('/') ? config_.root : cat(wishes_.bundle, "/", config_.root);
    // A slave still gets what the host mounts below it; "/" becomes shared again inside.  mount_namespaces(7)
    const bool slave = (config_.root_propagation & (MS_SHARED | MS_SLAVE)) != 0;
    meanwhile(OpenRoot{plain_path(path), 0, slave ? std::uint64_t{MS_SLAVE} : std::uint64_t{MS_PRIVATE}});
  }

  void bring(const New&) {}
  template <class Step>
  void bring(const Step& step) {
    meanwhile(step);
  }

  // What must wait until the child has memory of its own.
  void shape() {
    if (config_.process && config_.process->oom_score_adj)
      meanwhile(SetOomScore{*config_.process->oom_score_adj, wishes_.rootless || !host_.initial_user_namespace});
    if (limit_memory_) meanwhile(*limit_memory_);
    if (wishes_.driver != CgroupDriver::kDisabled && delegates()) meanwhile(DelegateCgroup{});
    if (config_.intel_rdt) meanwhile(JoinResctrl{*config_.intel_rdt});
    if (!config_.net_devices.empty()) meanwhile(MoveNetDevices{config_.net_devices});
  }

  // A container that sees its own group as the root, and may write there.  config-linux.md, "Cgroup ownership"
  [[nodiscard]] bool delegates() const {
    if (!config_.is_new(Kind::kCgroup) || !config_.has_own(Kind::kUser)) return false;
    return std::any_of(config_.mounts.begin(), config_.mounts.end(), [](const Mount& mount) {
      return (mount.type == "cgroup" || mount.type == "cgroup2") && !(mount.set & MOUNT_ATTR_RDONLY);
    });
  }

  void run_hooks() {
    const Hooks& hooks = config_.hooks;
    if (hooks.prestart.empty() && hooks.create_runtime.empty()) return;
    meanwhile(AwaitHooks{});
    if (!hooks.prestart.empty()) meanwhile(RunHooks{hooks.prestart, true});
    if (!hooks.create_runtime.empty()) meanwhile(RunHooks{hooks.create_runtime, false});
    meanwhile(runtime::LetStageGoOn{});
  }

  Plan& plan_;
  const Config& config_;
  const Wishes& wishes_;
  const Host& host_;
  MountPlan mounts_;
  std::optional<LimitMemory> limit_memory_;
};

Result<> check_namespaces(const Config& config) {
  if (!config.has_own(Kind::kMount))
    return invalid("linux.namespaces has no mount namespace: the container's mounts would be the host's");
  return ok();
}

Result<> check_abilities(const Host& host) {
  if (host.kernel < runtime::kOldestKernel)
    return invalid(cat("Linux ", host.kernel_release, " is too old: 5.14 or later is needed"));
  if (!(host.effective_capabilities & security::bit(CAP_SYS_ADMIN)))
    return invalid("this process has not the capability CAP_SYS_ADMIN, without which nothing can be mounted");
  if (!host.seccomp_filters) return invalid("the kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)");
  return ok();
}

}  // namespace

Result<Plan> plan_create(Config config, Wishes wishes, const Host& host, std::string_view filter,
                         IsFile source_is_file) {
  TRY(check_abilities(host));
  TRY(check_namespaces(config));
  if (config.memory_policy) TRY(bit_mask(config.memory_policy->nodes), "linux.memoryPolicy.nodes");
  MountPlan mounts = TRY(plan_mounts(config, wishes, host, source_is_file));
  if (mounts.slots() + 8 > stage::kMaxSlots)
    return invalid(cat("more than ", stage::kMaxSlots - 8, " mounts that the host side must open"));
  Plan plan;
  plan.config = std::move(config);
  plan.wishes = std::move(wishes);
  TRY(Planner(plan, host, std::move(mounts)).plan(filter));
  return plan;
}

Result<Plan> plan_exec(const Config& config, Process process, ExecWishes wishes, std::uint64_t kinds, const Host& host,
                       std::string_view filter) {
  TRY(check_abilities(host));
  const CpuAffinity affinity = process.exec_cpu_affinity.value_or(CpuAffinity{});
  Plan plan;
  plan.before.emplace_back(SealPrograms{host.executable_memfd_flag()});
  plan.before.emplace_back(CloneInto{kinds, affinity.initial, wishes.cgroup});
  plan.meanwhile.emplace_back(AwaitStage{});
  plan.meanwhile.emplace_back(SetAffinity{affinity.final});
  if (process.oom_score_adj)
    plan.meanwhile.emplace_back(SetOomScore{*process.oom_score_adj, !host.initial_user_namespace});
  plan.meanwhile.emplace_back(runtime::LetStageGoOn{});
  plan.meanwhile.emplace_back(runtime::AwaitPayload{});
  plan.meanwhile.emplace_back(WritePidFile{});
  plan.stage = TRY(plan_joining_stage(config, process, wishes, host, filter));
  plan.wishes.id = wishes.id;
  plan.wishes.preserved = wishes.preserved;
  plan.config = config;
  plan.config.process = std::move(process);
  return plan;
}

Process complete_process(Process process, const Process& of_container) {
  const auto complete = [](auto& own, const auto& theirs) {
    if (!own) own = theirs;
  };
  complete(process.capabilities, of_container.capabilities);
  complete(process.no_new_privileges, of_container.no_new_privileges);
  complete(process.apparmor_profile, of_container.apparmor_profile);
  complete(process.selinux_label, of_container.selinux_label);
  complete(process.scheduler, of_container.scheduler);
  complete(process.io_priority, of_container.io_priority);
  complete(process.oom_score_adj, of_container.oom_score_adj);
  complete(process.exec_cpu_affinity, of_container.exec_cpu_affinity);
  if (process.rlimits.empty()) process.rlimits = of_container.rlimits;
  return process;
}

}  // namespace convox::oci
