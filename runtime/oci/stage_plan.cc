#include "runtime/oci/stage_plan.h"

#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "runtime/base/words.h"
#include "runtime/usual_devices.h"

namespace convox::oci {
namespace {

using namespace stage;
using runtime::StagePlan;

constexpr unsigned kLastCapability = CAP_CHECKPOINT_RESTORE;  // since Linux 5.9, older than any kernel that we run on
constexpr std::string_view kKeepGroups = "run.oci.keep_original_groups";

std::string_view key_of(std::string_view entry) { return entry.substr(0, entry.find('=')); }

// Of several entries for a key the last one counts; it stands where the first stood. Empty HOME is none.
std::vector<std::string> settled(const std::vector<std::string>& env) {
  std::vector<std::string> unique;
  std::map<std::string_view, std::size_t> places;
  for (const std::string& entry : env) {
    const auto [at, is_new] = places.emplace(key_of(entry), unique.size());
    if (is_new)
      unique.push_back(entry);
    else
      unique[at->second] = entry;
  }
  std::erase(unique, "HOME=");
  return unique;
}

std::uint32_t type_bits(char type) {
  switch (type) {
    case 'b':
      return S_IFBLK;
    case 'p':
      return S_IFIFO;
    default:
      return S_IFCHR;
  }
}

// What a launch and an exec end with: who the payload is, and the payload.
class Common {
 public:
  Common(const Config& config, const runtime::Host& host, std::string_view filter, std::vector<SecurityLabel> labels)
      : config_(config), host_(host), filter_(filter), labels_(std::move(labels)) {}

 protected:
  Text text(std::string_view value) { return plan_.text(value); }

  void start_clean(const Process& process, const std::string& id, bool new_keyring) {
    plan_.then(StartSession{});
    if (new_keyring) {
      // A key belongs to the label under which it is made.
      const bool labelled = process.selinux_label && !process.selinux_label->empty();
      if (labelled) plan_.then(SetSecurityLabel{text("keycreate"), text(*process.selinux_label)});
      plan_.then(NewKeyring{text(cat("_ses.", id)), true});  // an exec joins it
      if (labelled) plan_.then(SetSecurityLabel{text("keycreate"), text("")});
    }
    plan_.then(CleanSlate{process.user.umask.value_or(0022)});
    if (config_.personality) plan_.then(SetPersonality{*config_.personality});  // after the slate, which resets it
  }

  void take_user(const Process& process, bool setgroups_denied) {
    const std::vector<std::uint32_t>& groups = process.user.additional_gids;
    const std::string* keep = config_.annotation(kKeepGroups);
    const bool kept = (setgroups_denied && groups.empty()) || (keep && *keep == "1");
    const std::string_view bytes(reinterpret_cast<const char*>(groups.data()), groups.size() * sizeof(std::uint32_t));
    plan_.then(TakeUser{process.user.uid, process.user.gid, text(bytes), kept});
  }

  // All that takes rights which the next lines give up.
  void shape_process(const Process& process) {
    for (SetLimit limit : process.rlimits) {
      limit.exact = true;
      plan_.then(limit);
    }
    if (process.scheduler) {
      const Scheduler& s = *process.scheduler;
      plan_.then(SetScheduler{s.policy, s.nice, s.priority, s.flags, s.runtime, s.deadline, s.period});
    }
    if (process.io_priority) plan_.then(SetIoPriority{*process.io_priority});
    for (const auto& [file, value] : labels_) plan_.then(SetSecurityLabel{text(file), text(value)});
  }

  void become_user(const Process& process, Verify verify) {
    const Capabilities sets =
        obtainable(process.capabilities.value_or(Capabilities{}), config_.has_own(Kind::kUser), host_);
    no_new_privileges_ = process.no_new_privileges.value_or(false);
    const bool as_admin = !filter_.empty() && !no_new_privileges_;
    plan_.then(ChangeDirectory{text(process.cwd), true});
    if (no_new_privileges_) plan_.then(NoNewPrivileges{});
    plan_.then(DropBounding{sets.bounding});  // needs CAP_SETPCAP
    plan_.then(BecomeUser{});
    plan_.then(ChangeDirectory{text(process.cwd), false});
    plan_.then(SetCapabilities{sets.permitted, sets.effective, sets.inheritable, sets.ambient, false, as_admin});
    if (!process.args.empty()) plan_.then(FindCommand{});  // as the user, who may see less than root
    verify.bounding = sets.bounding;
    verify.no_new_privs = no_new_privileges_;
    plan_.then(verify);
  }

  void execute(std::uint32_t preserved) {
    plan_.then(CloseOnExec{preserved});
    // Last, so that the filter need not allow any of the calls above.
    if (!filter_.empty()) {
      const bool listens = config_.seccomp && config_.seccomp->notifies();
      const std::uint32_t flags = config_.seccomp ? config_.seccomp->load_flags() : 0;
      plan_.then(LoadFilter{text(filter_), flags, listens, !no_new_privileges_});
    }
    plan_.then(Execute{});
  }

  StagePlan finished(const Process& process) {
    plan_.argv = process.args;
    plan_.env = settled(process.env);
    plan_.adds_home =
        std::none_of(plan_.env.begin(), plan_.env.end(), [](const auto& e) { return e.starts_with("HOME="); });
    return std::move(plan_);
  }

  const Config& config_;
  const runtime::Host& host_;
  std::string_view filter_;
  std::vector<SecurityLabel> labels_;
  bool no_new_privileges_ = false;
  StagePlan plan_;
};

class Creating : Common {
 public:
  Creating(const Config& config, const Wishes& wishes, const MountPlan& mounts, const runtime::Host& host,
           std::string_view filter, std::vector<SecurityLabel> labels)
      : Common(config, host, filter, std::move(labels)),
        wishes_(wishes),
        mounts_(mounts),
        slots_(slots_of(config, wishes, mounts)),
        process_(config.process.value_or(Process{})) {}

  StagePlan plan() {
    start_clean(process_, wishes_.id, wishes_.new_keyring);
    plan_.then(UnshareMounts{});
    set_up_machine();  // needs no file system, and the host side is still preparing it
    plan_.then(Receive{slots_.count});
    make_time();
    plan_.then(AttachRoot{{0}, text(attach_at()), 0, true});  // it becomes read-only at the end
    for (const Placed& placed : mounts_.mounts) attach(placed);
    for (const Device& device : mounts_.nodes) make_node(device);
    if (mounts_.links)
      for (const auto& [target, name] : runtime::kUsualLinks)
        plan_.then(MakeLink{text(cat("/dev/", name)), text(target)});
    take_user(process_, wishes_.setgroups_denied || denies_setgroups());
    // The mounts are there and the host's are, too: what the specification promises these hooks.
    const Hooks& hooks = config_.hooks;
    if (!hooks.prestart.empty() || !hooks.create_runtime.empty()) plan_.then(stage::AwaitHooks{});
    for (const Hook& hook : hooks.create_container) run(hook, slots_.create_state, slots_.create_output);
    // In the container's own devpts; its user must be known.
    if (process_.terminal) plan_.then(OpenConsole{});
    plan_.then(OwnStdio{true});
    if (wishes_.no_pivot)
      plan_.then(MoveRoot{});
    else
      plan_.then(
          PivotRoot{});  // after the mounts: proc and sysfs may only be mounted while the host's are still visible
    if (config_.root_propagation != 0) {
      const bool recursive = (config_.root_propagation & MS_REC) != 0;
      plan_.then(SetPropagation{config_.root_propagation & ~std::uint64_t{MS_REC}, recursive});
    }
    if (process_.cwd != "/") plan_.then(MakeDirectory{text(process_.cwd)});  // no host path can be reached any more
    for (const auto& [key, value] : config_.sysctl) plan_.then(WriteSysctl{text(sysctl_path(key)), text(value)});
    restrict();
    shape_process(process_);  // a small limit on open files must not hit what has to be received
    if (config_.memory_policy) set_memory_policy(*config_.memory_policy);
    become_user(process_, expected());
    if (wishes_.gate) plan_.then(Gate{{slots_.gate}});
    for (const Hook& hook : hooks.start_container) run(hook, slots_.start_state, slots_.start_output);
    execute(wishes_.preserved);
    add_environment();
    return finished(process_);
  }

 private:
  void set_up_machine() {
    if (!config_.hostname.empty()) plan_.then(SetHostname{text(config_.hostname)});
    if (!config_.domainname.empty()) plan_.then(SetDomainname{text(config_.domainname)});
    if (config_.is_new(Kind::kNetwork)) plan_.then(RaiseLoopback{});
  }

  void make_time() {
    const auto offset = [](const std::optional<TimeOffset>& given) {
      return given ? Offset{given->seconds, given->nanoseconds} : Offset{};
    };
    if (config_.is_new(Kind::kTime))
      plan_.then(NewTimeNamespace{offset(config_.monotonic), offset(config_.boottime)});
    else if (config_.has_own(Kind::kTime))
      plan_.then(JoinTimeNamespace{{slots_.time}});
  }

  // Hooks look for the root where the configuration says that it is, in the container's mount namespace.
  [[nodiscard]] std::string attach_at() const {
    const Hooks& hooks = config_.hooks;
    if (hooks.prestart.empty() && hooks.create_runtime.empty() && hooks.create_container.empty()) return {};
    return config_.root.starts_with('/') ? config_.root : cat(wishes_.bundle, "/", config_.root);
  }

  void attach(const Placed& placed) {
    if (placed.has_slot()) {
      plan_.then(
          AttachTree{{next_mount_++}, text(placed.target), placed.attributes, placed.kind, placed.whole, placed.below});
      return;
    }
    plan_.then(MountNew{text(placed.mount.type), text(placed.target), plan_.list(placed.mount.data), placed.attributes,
                        placed.kind, placed.mount.propagation, placed.takes_mode});
  }

  void make_node(const Device& device) {
    plan_.then(MakeNode{text(device.path), type_bits(device.type) | device.mode, device.major, device.minor, device.uid,
                        device.gid});
  }

  void run(const Hook& hook, std::uint32_t state, std::uint32_t output) {
    plan_.then(RunHook{text(hook.path), plan_.list(hook.args), plan_.list(hook.env), hook.timeout, {state}, {output}});
  }

  // Paths of /proc/sys are among those that become read-only: so after the sysctls. What is covered may lie on a mount
  // that becomes read-only, and so may a directory that had to be made.
  void restrict() {
    for (const Placed& placed : mounts_.mounts)
      if (placed.late_read_only) plan_.then(MakeReadOnly{text(placed.target)});
    for (const std::string& path : config_.read_only_paths) plan_.then(ReadOnly{text(path)});
    for (const std::string& path : config_.masked_paths) plan_.then(Mask{text(path)});
    if (config_.root_read_only) plan_.then(ReadOnlyRoot{});
  }

  void set_memory_policy(const MemoryPolicy& policy) {
    const Result<std::string> mask = bit_mask(policy.nodes);  // plan_create has looked at it
    plan_.then(SetMemoryPolicy{policy.mode, text(mask ? std::string_view(*mask) : std::string_view())});
  }

  [[nodiscard]] Verify expected() const {
    const Hooks& hooks = config_.hooks;
    const bool hooked = !hooks.prestart.empty() || !hooks.create_runtime.empty() || !hooks.create_container.empty();
    Verify verify;
    if (hooked || !config_.is_new(Kind::kMount)) verify.mounts = Verify::Mounts::kAtLeast;
    verify.may_be_shared = mounts_.may_be_shared || (config_.root_propagation & (MS_SHARED | MS_SLAVE)) != 0;
    verify.preserved = wishes_.preserved;
    return verify;
  }

  // Whoever may not map ids freely must have denied it before the kernel takes the one that he may.
  // user_namespaces(7), "The /proc/pid/setgroups file"
  [[nodiscard]] bool denies_setgroups() const {
    return config_.is_new(Kind::kUser) && !(host_.effective_capabilities & security::bit(CAP_SETGID));
  }

  void add_environment() {
    if (!wishes_.notify_socket.empty()) process_.env.emplace_back("NOTIFY_SOCKET=/run/notify/notify.sock");
    if (wishes_.listening == 0) return;
    process_.env.push_back(cat("LISTEN_FDS=", wishes_.listening));
    process_.env.emplace_back("LISTEN_PID=1");  // sd_listen_fds(3) believes nobody else
    if (!wishes_.listening_names.empty()) process_.env.push_back(cat("LISTEN_FDNAMES=", wishes_.listening_names));
  }

  const Wishes& wishes_;
  const MountPlan& mounts_;
  Slots slots_;
  std::uint32_t next_mount_ = slots_.first_mount;
  Process process_;
};

class Joining : Common {
 public:
  Joining(const Config& config, const Process& process, const ExecWishes& wishes, const runtime::Host& host,
          std::string_view filter, std::vector<SecurityLabel> labels)
      : Common(config, host, filter, std::move(labels)), process_(process), wishes_(wishes) {}

  // Beside the process stand others that may want to harm it, so it takes nothing from them on trust.
  StagePlan plan() {
    start_clean(process_, wishes_.id, true);
    plan_.then(EnterRoot{});
    take_user(process_, wishes_.setgroups_denied);
    if (process_.terminal) plan_.then(OpenConsole{.as_console = false});  // that one is the first process's
    plan_.then(OwnStdio{true});
    plan_.then(AwaitGo{});
    shape_process(process_);
    Verify verify;
    verify.mounts = Verify::Mounts::kUnknown;
    verify.may_be_shared = true;
    verify.preserved = wishes_.preserved;
    become_user(process_, verify);
    execute(wishes_.preserved);
    return finished(process_);
  }

 private:
  const Process& process_;
  const ExecWishes& wishes_;
};

}  // namespace

Slots slots_of(const Config& config, const Wishes& wishes, const MountPlan& mounts) {
  Slots slots;
  std::uint32_t next = slots.first_mount + mounts.slots();
  if (config.has_own(Kind::kTime) && !config.is_new(Kind::kTime)) slots.time = next++;
  if (!config.hooks.create_container.empty()) {
    slots.create_state = next++;
    slots.create_output = next++;
  }
  if (!config.hooks.start_container.empty()) {
    slots.start_state = next++;
    slots.start_output = next++;
  }
  if (wishes.gate) slots.gate = next++;
  slots.count = next;
  return slots;
}

Result<StagePlan> plan_stage(const Config& config, const Wishes& wishes, const MountPlan& mounts,
                             const runtime::Host& host, std::string_view filter) {
  const Process process = config.process.value_or(Process{});
  std::vector<SecurityLabel> labels =
      TRY(security_labels(process.apparmor_profile, process.selinux_label, wishes.modules));
  return Creating(config, wishes, mounts, host, filter, std::move(labels)).plan();
}

Result<StagePlan> plan_joining_stage(const Config& config, const Process& process, const ExecWishes& wishes,
                                     const runtime::Host& host, std::string_view filter) {
  std::vector<SecurityLabel> labels =
      TRY(security_labels(process.apparmor_profile, process.selinux_label, wishes.modules));
  return Joining(config, process, wishes, host, filter, std::move(labels)).plan();
}

std::string sysctl_path(std::string_view key) {
  std::string path(key);
  const std::size_t first = path.find_first_of("./");
  if (first != std::string::npos && path[first] == '.')
    for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
  return cat("sys/", path);
}

Result<std::string> bit_mask(std::string_view list) {
  constexpr std::uint64_t kMost = 4096;
  std::string mask;
  while (!list.empty()) {
    std::string_view range = cut(list, ',');
    const std::string_view from = cut(range, '-');
    const auto first = number(from), last = range.empty() ? first : number(range);
    if (!first || !last || *first > *last || *last >= kMost)
      return invalid(cat("\"", from, "\" is no list of numbers"));
    const std::size_t size = (*last / 64 + 1) * 8;
    if (mask.size() < size) mask.resize(size);
    for (std::uint64_t n = *first; n <= *last; ++n)
      mask[n / 8] = static_cast<char>(mask[n / 8] | (1 << (n % 8)));  // least significant byte first
  }
  return mask;
}

Capabilities obtainable(Capabilities asked, bool user_namespace, const runtime::Host& host) {
  const security::CapabilitySet all = security::all_capabilities(kLastCapability);
  asked.bounding &= user_namespace ? all : all & host.bounding_capabilities;
  // The stage is root with all that the bounding set held; a process never has more than that.
  const security::CapabilitySet had = user_namespace ? all : all & host.bounding_capabilities;
  asked.permitted &= had;
  asked.effective &= asked.permitted;
  asked.inheritable &= had & asked.bounding;  // capset(2) wants it so
  asked.ambient &= asked.permitted & asked.inheritable;
  return asked;
}

}  // namespace convox::oci
