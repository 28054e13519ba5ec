#include "runtime/stage_plan.h"

#include <linux/mount.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>

#include "runtime/host_ids.h"
#include "runtime/stage/user_lookup.h"

namespace convox::runtime {
namespace {

using namespace stage;

constexpr std::uint64_t kTight = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
constexpr std::uint64_t kVolume = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;  // its programs may run, its setuid bits not
constexpr std::uint64_t kReadOnlyVolume = MOUNT_ATTR_RDONLY;
constexpr std::uint64_t kTightReadOnly = kTight | MOUNT_ATTR_RDONLY;

// What a container's root must not read (host memory, keys, timers, hardware) or write. Sources: Docker's and runc's
// lists; CVE-2018-10892 (acpi), PLATYPUS (powercap), the interrupt and thermal side channels of 2025.
constexpr const char* kMasked[] = {
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
    "/sys/fs/selinux",
    "/sys/devices/virtual/powercap",
};
constexpr const char* kReadOnly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

// Did the user put something of theirs at `path`, or over all of /etc?
bool is_users(const ContainerConfig& config, std::string_view path) {
  const auto covers = [&](const auto& mount) { return mount.target == path || mount.target == "/etc"; };
  return std::any_of(config.volumes.begin(), config.volumes.end(), covers) ||
         std::any_of(config.tmpfs.begin(), config.tmpfs.end(), covers);
}

class Planner {
 public:
  Planner(const ContainerConfig& config, const Host& host, std::string_view filter)
      : want_(config), host_(host), filter_(filter), slots_(slots_of(config)) {}

  // The life of the stage in order. A comment says why a line stands here and not one line higher or lower.
  StagePlan plan() {
    start_clean();
    plan_.then(UnshareMounts{});
    set_up_machine();  // needs no file system, and the host side is still preparing it
    set_limits();
    plan_.then(Receive{slots_.count});
    plan_.then(AttachRoot{.tree = {slots_.root}, .at = {}, .attributes = MOUNT_ATTR_NODEV});
    build_file_system();
    // The image is in place, and nothing else can change it yet.
    resolve_user();
    if (want_.terminal) plan_.then(OpenConsole{});
    plan_.then(OwnStdio{});
    plan_.then(PivotRoot{});  // after the mounts: proc and sysfs may only be mounted while the host's are still visible
    plan_.then(MakeDirectory{text(want_.directory)});  // after the pivot: no host path can be reached any more
    write_sysctls();
    if (want_.masks) restrict();                           // it covers /proc/sys, so after the sysctls
    if (want_.read_only_root) plan_.then(ReadOnlyRoot{});  // after the last directory that had to be made
    become_payload(Verify{want_.capabilities, want_.no_new_privileges}, true);
    return finished();
  }

  // The same in a container that runs: its file system is there and is its own. Beside the command stand processes that
  // may want to harm it, so it takes nothing from them on trust: what it opens is looked at, and it never waits.
  StagePlan plan_joining(const std::vector<SetLimit>& limits, bool detached) {
    start_clean();
    plan_.then(EnterRoot{});
    resolve_user();
    if (want_.terminal) plan_.then(OpenConsole{.as_console = false});  // that one is PID 1's
    if (detached) plan_.then(OpenNull{});
    if (!detached) plan_.then(OwnStdio{});
    for (const SetLimit& limit : limits) plan_.then(limit);
    plan_.then(AwaitGo{});  // as late as it can be
    become_payload(Verify{want_.capabilities, want_.no_new_privileges, Verify::Mounts::kUnknown}, !detached);
    return finished();
  }

 private:
  void start_clean() {
    plan_.then(StartSession{});
    plan_.then(NewKeyring{text("convox")});
    plan_.then(CleanSlate{});
  }

  void resolve_user() { plan_.then(ResolveUser{text(want_.user), want_.never_root, largest_id()}); }

  StagePlan finished() {
    plan_.argv = want_.argv;
    plan_.split_argv = want_.split_argv;
    plan_.env = want_.env;
    plan_.adds_home =
        std::none_of(want_.env.begin(), want_.env.end(), [](const auto& e) { return e.starts_with("HOME="); });
    return std::move(plan_);
  }

  Text text(std::string_view value) { return plan_.text(value); }
  [[nodiscard]] std::uint32_t largest_id() const { return want_.namespaces.user ? kIdsEach - 1 : kMaxId; }
  void mount(std::string_view type, std::string_view target, const std::vector<std::string>& options,
             std::uint64_t attributes, Target kind = Target::kDirectory) {
    plan_.then(MountNew{text(type), text(target), plan_.list(options), attributes, kind});
  }

  void build_file_system() {
    mount("proc", "/proc", {}, kTight, Target::kPlainDirectory);
    plan_.then(
        AttachTree{{slots_.devices}, text("/dev"), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, Target::kPlainDirectory});
    mount("devpts", "/dev/pts", {"newinstance", "ptmxmode=0666", "mode=0620", "gid=5"},
          MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, Target::kPlainDirectory);
    mount("tmpfs", "/dev/shm", {"mode=1777", "size=64m"}, kTight, Target::kPlainDirectory);
    mount("mqueue", "/dev/mqueue", {}, kTight, Target::kPlainDirectory);
    // sysfs shows the network namespace of whoever mounts it, and only that namespace's owner may.
    if (want_.namespaces.network)
      mount("sysfs", "/sys", {}, kTightReadOnly, Target::kPlainDirectory);
    else
      plan_.then(AttachTree{{slots_.sysfs}, text("/sys"), kTightReadOnly, Target::kPlainDirectory});
    mount("cgroup2", "/sys/fs/cgroup", {}, kTightReadOnly, Target::kPlainDirectory);
    for (const Tmpfs& tmpfs : want_.tmpfs) {
      std::vector<std::string> options = {"mode=1777"};
      if (tmpfs.size > 0) options.push_back(cat("size=", tmpfs.size));
      mount("tmpfs", tmpfs.target, options, kTight);
    }
    std::uint32_t slot = slots_.first_volume;
    for (const Volume& volume : want_.volumes) {
      const std::uint64_t attributes = kVolume | (volume.read_only ? kReadOnlyVolume : 0);
      plan_.then(AttachTree{{slot++},
                            text(volume.target),
                            attributes,
                            volume.is_file ? Target::kFile : Target::kDirectory,
                            true,
                            attributes});
    }
    for (const std::string& path : want_.own_volumes) plan_.then(ImageVolume{text(path)});
    for (const std::string_view name : kIdentityFiles) {
      const std::string target = cat("/etc/", name);
      if (is_users(want_, target)) continue;
      if (name == "hosts" && shows_names(want_))
        plan_.then(AttachTree{{slots_.names}, text(target), kTightReadOnly, Target::kFile});
      else
        plan_.then(PlaceFile{text(cat(".", name)), text(target)});
    }
  }

  void set_up_machine() {
    if (want_.namespaces.uts) plan_.then(SetHostname{text(want_.id)});
    if (want_.namespaces.network) plan_.then(RaiseLoopback{});
  }

  void write_sysctls() {
    if (!want_.namespaces.network) return;
    // ping without CAP_NET_RAW, and ports below 1024 for any user: both concern the container's own network only. An
    // unmapped group in the range is EINVAL.
    const char* groups = want_.namespaces.user ? "0 65535" : "0 2147483647";
    plan_.then(WriteSysctl{text("sys/net/ipv4/ping_group_range"), text(groups)});
    plan_.then(WriteSysctl{text("sys/net/ipv4/ip_unprivileged_port_start"), text("0")});
  }

  void restrict() {
    for (const char* path : kMasked) plan_.then(Mask{text(path)});
    for (unsigned cpu = 0; cpu < host_.possible_cpus; ++cpu)
      plan_.then(Mask{text(cat("/sys/devices/system/cpu/cpu", cpu, "/thermal_throttle"))});
    for (const char* path : kReadOnly) plan_.then(ReadOnly{text(path)});
  }

  void set_limits() {
    plan_.then(SetLimit{RLIMIT_NOFILE, 1024, 524288});
    plan_.then(SetLimit{RLIMIT_CORE, 0, 0});  // a core_pattern with a pipe runs a program of the host
    plan_.then(SetLimit{RLIMIT_MEMLOCK, 8 << 20, 8 << 20});
  }

  void become_payload(const Verify& verify, bool has_parent) {
    const bool filtered = !filter_.empty();
    const bool as_admin = filtered && !want_.no_new_privileges;
    plan_.then(ChangeDirectory{text(want_.directory), true});
    if (want_.no_new_privileges) plan_.then(NoNewPrivileges{});
    plan_.then(DropBounding{want_.capabilities});  // needs CAP_SETPCAP
    plan_.then(BecomeUser{});
    plan_.then(ChangeDirectory{text(want_.directory), false});
    plan_.then(SetCapabilities{
        .permitted = want_.capabilities, .effective = want_.capabilities, .only_root = true, .for_filter = as_admin});
    if (has_parent) plan_.then(DieWithParent{});  // a change of ids clears it
    plan_.then(FindCommand{});                    // as the user, who may see less than root
    plan_.then(verify);
    plan_.then(CloseOnExec{});
    // Last, so that the filter need not allow any of the calls above.
    if (filtered) plan_.then(LoadFilter{.program = text(filter_), .as_admin = as_admin});
    if (want_.init) plan_.then(BecomeInit{});
    plan_.then(Execute{});
  }

  const ContainerConfig& want_;
  const Host& host_;
  std::string_view filter_;
  Slots slots_;
  StagePlan plan_;
};

std::size_t aligned(std::size_t size) { return (size + 7) & ~std::size_t{7}; }

}  // namespace

Text StagePlan::text(std::string_view value) {
  const Text text{static_cast<std::uint32_t>(texts_.size()), static_cast<std::uint32_t>(value.size())};
  texts_.append(value).push_back('\0');
  return text;
}

Texts StagePlan::list(const std::vector<std::string>& values) {
  std::vector<Text> records;
  for (const std::string& value : values) records.push_back(text(value));
  texts_.resize(aligned(texts_.size()));
  const Texts list{static_cast<std::uint32_t>(texts_.size()), static_cast<std::uint32_t>(records.size())};
  texts_.append(reinterpret_cast<const char*>(records.data()), records.size() * sizeof(Text));
  return list;
}

std::vector<std::string> StagePlan::views(Texts list) const {
  std::vector<std::string> values;
  for (std::uint32_t i = 0; i < list.count; ++i) {
    Text record;
    std::memcpy(&record, texts_.data() + list.at + i * sizeof(Text), sizeof record);
    values.emplace_back(view(record));
  }
  return values;
}

std::string StagePlan::bytes(std::uint32_t first) const {
  StagePlan whole = *this;
  Head head;
  head.argv = whole.list(argv);
  head.split_argv = whole.list(split_argv);
  head.envp = whole.list(env);
  head.first_number = first;
  head.adds_home = adds_home;
  head.traced = traced;
  head.step_count = static_cast<std::uint32_t>(steps_.size());
  head.steps_at = static_cast<std::uint32_t>(aligned(sizeof head));
  head.texts_at = static_cast<std::uint32_t>(aligned(head.steps_at + steps_.size() * sizeof(Step)));
  head.pointers_at = static_cast<std::uint32_t>(head.texts_at + aligned(whole.texts_.size()));
  head.size =
      static_cast<std::uint32_t>(head.pointers_at + (argv.size() + split_argv.size() + env.size() + 4) * sizeof(char*));

  std::string block(head.size, '\0');
  std::memcpy(block.data(), &head, sizeof head);
  if (!steps_.empty()) std::memcpy(block.data() + head.steps_at, steps_.data(), steps_.size() * sizeof(Step));
  std::memcpy(block.data() + head.texts_at, whole.texts_.data(), whole.texts_.size());
  return block;
}

bool shows_names(const ContainerConfig& config) { return config.network.joined() && !is_users(config, "/etc/hosts"); }

Slots slots_of(const ContainerConfig& config) {
  Slots slots;
  if (shows_names(config)) slots.names = slots.first_volume++;
  if (!config.namespaces.network) slots.sysfs = slots.first_volume++;
  slots.count = slots.first_volume + static_cast<std::uint32_t>(config.volumes.size());
  return slots;
}

StagePlan plan_stage(const ContainerConfig& config, const Host& host, std::string_view filter) {
  return Planner(config, host, filter).plan();
}

StagePlan plan_joining_stage(const ContainerConfig& config, const std::vector<SetLimit>& limits, const Host& host,
                             std::string_view filter, bool detached) {
  return Planner(config, host, filter).plan_joining(limits, detached);
}

}  // namespace convox::runtime
