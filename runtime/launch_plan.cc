#include "runtime/launch_plan.h"

#include <algorithm>

#include "runtime/base/words.h"

namespace convox::runtime {
namespace {

constexpr std::size_t kMostLayers = 127;  // all that one fsconfig(2) can name, and the skeleton: launch_root.cc
constexpr std::size_t kMostVolumes = 64;

Result<> check_path(std::string_view what, std::string_view path) {
  if (path.empty() || path[0] != '/') return invalid(cat(what, " \"", path, "\" is not an absolute path"));
  if (path.size() > 4095) return invalid(cat(what, " is longer than 4095 bytes"));
  if (path.find('\0') != std::string_view::npos) return invalid(cat(what, " has a NUL byte"));
  return ok();
}

Result<> settle_paths(ContainerConfig& config) {
  for (Volume& volume : config.volumes) {
    TRY(check_path("volume source", volume.source));
    volume.target = TRY(plain_target("volume", volume.target));
  }
  for (Tmpfs& tmpfs : config.tmpfs) tmpfs.target = TRY(plain_target("tmpfs", tmpfs.target));
  for (std::string& path : config.own_volumes) path = TRY(plain_target("volume of the image", path));
  return ok();
}

Result<> check_config(const ContainerConfig& config) {
  TRY(check_process(config));
  if (config.layers.empty()) return invalid("the image has no layers");
  if (config.layers.size() > kMostLayers)
    return invalid(
        cat("the image has ", config.layers.size(), " layers; overlayfs takes ", kMostLayers, " in one mount"));
  if (config.volumes.size() > kMostVolumes) return invalid(cat("more than ", kMostVolumes, " volumes"));
  if (config.network.joined() && !config.namespaces.network)
    return invalid("a container in the host's network cannot join another one");
  if (!config.network.published.empty() && !config.network.joined())
    return invalid("a port is published in a network: this container has none");
  if (config.namespaces.user || !config.masks) return ok();
  // Inside a user namespace the kernel refuses device nodes. Outside of one our /dev would take them, any disk's too.
  if (config.capabilities & security::bit(CAP_MKNOD))
    return invalid("MKNOD without a user namespace would give the container every device of this host");
  // Whoever may trace there may trace an `exec` too, in the moment between its birth in the container's PID namespace
  // and its loss of the host's file system and rights: not being dumpable protects only from tracers without the right.
  if (config.capabilities & security::bit(CAP_SYS_PTRACE))
    return invalid("SYS_PTRACE without a user namespace would let the container take over the next exec into it");
  return ok();
}

Resolvers resolvers_of(const ContainerConfig& config) {
  if (!config.namespaces.network) return Resolvers::kHosts;
  return config.network.joined() ? Resolvers::kReachable : Resolvers::kNone;
}

// Without it no capability of the list exists on this host side: asking for it would fail at the last step.
security::CapabilitySet obtainable(const ContainerConfig& config, const Host& host) {
  return config.namespaces.user ? config.capabilities : config.capabilities & host.bounding_capabilities;
}

}  // namespace

Result<> check_process(const ContainerConfig& config) {
  if (config.argv.empty() || config.argv[0].empty()) return invalid("no command given, and the image has none");
  TRY(check_path("working directory", config.directory));
  for (const std::string& entry : config.env)
    if (entry.find('=') == std::string::npos || entry[0] == '=')
      return invalid(cat("environment entry without a name: ", entry));
  return ok();
}

Result<std::string> plain_target(std::string_view what, std::string_view path) {
  TRY(check_path(what, path));
  std::string plain;
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view part = cut(rest, '/');
    if (part == "." || part == "..") return invalid(cat(what, " \"", path, "\" has a \"", part, "\" in it"));
    if (!part.empty()) plain += cat("/", part);
  }
  if (plain.empty()) plain = "/";
  // Our own mounts are not for covering, and below /proc a file would no longer be the kernel's.
  const bool reserved = plain == "/" || plain == "/proc" || plain == "/sys" || plain == "/dev" || plain == "/dev/pts" ||
                        plain.starts_with("/proc/") || plain.starts_with("/sys/");
  if (reserved) return invalid(cat("a ", what, " cannot be mounted at ", plain));
  return plain;
}

Result<LaunchPlan> plan_launch(ContainerConfig config, const Host& host, std::string_view filter) {
  TRY(check_host(host));
  TRY(check_config(config));
  TRY(settle_paths(config));
  TRY(cgroups::check_limits(config.limits, host.cgroups));
  if (config.namespaces.user && !host.user_namespaces())
    return invalid("user namespaces are forbidden here (/proc/sys/user/max_user_namespaces is 0)")
        .advise("--userns host runs without one");
  if (config.namespaces.user && !host.idmapped_layers())
    return invalid(cat("kernel ", host.kernel_release, " cannot idmap the layers of an image, which takes Linux 5.19"))
        .advise("--userns host runs without a user namespace");
  config.capabilities = obtainable(config, host);

  LaunchPlan plan;
  const bool mapped = config.namespaces.user;
  const cgroups::Limits limits = cgroups::with_defaults(config.limits, host.cgroups);
  std::vector<cgroups::Setting> settings = cgroups::settings(limits);
  const auto memory =
      std::find_if(settings.begin(), settings.end(), [](const auto& s) { return s.file == "memory.max"; });

  plan.before.emplace_back(ProtectSupervisor{});
  plan.before.emplace_back(WriteRecord{});  // before any side effect: what it names can be undone by whoever reads it
  if (mapped) plan.before.emplace_back(LeaseIds{});
  if (config.network.joined()) plan.before.emplace_back(LeaseAddress{config.network, config.service});
  plan.before.emplace_back(MakeStorage{});
  std::optional<LimitMemory> limit_memory;
  if (memory != settings.end()) {
    limit_memory = LimitMemory{*memory};
    settings.erase(memory);
  }
  plan.before.emplace_back(
      MakeCgroup{cat("convox/", config.id), cgroups::needed(limits, host.cgroups), std::move(settings)});
  plan.before.emplace_back(OpenStdio{config.terminal});
  plan.before.emplace_back(SealPrograms{host.executable_memfd_flag()});
  plan.before.emplace_back(CloneChild{config.namespaces});

  std::vector<HostStep>& meanwhile = plan.meanwhile;
  // The longest of what happens beside each other, so the first; the namespace is there with the child.
  if (config.network.joined()) meanwhile.emplace_back(StartNetwork{config.network.name});
  if (mapped) {
    meanwhile.emplace_back(WriteIdMaps{});
    meanwhile.emplace_back(LetStageBegin{});  // as early as the maps allow: the stage starts while we mount
  }
  meanwhile.emplace_back(MakeDevices{resolvers_of(config)});
  if (shows_names(config)) meanwhile.emplace_back(OpenNames{config.network.name});
  if (!config.namespaces.network) meanwhile.emplace_back(OpenSysfs{});
  for (const Volume& volume : config.volumes) meanwhile.emplace_back(OpenVolume{volume, mapped});
  meanwhile.emplace_back(MountOverlay{config.layers, mapped, config.keep});
  meanwhile.emplace_back(AwaitStage{});
  meanwhile.emplace_back(ResetScheduling{});  // while memory is shared, a new OOM score would be ours too
  // The child shared our memory until it executed the stage: a limit in force before that kills us both.
  if (limit_memory) meanwhile.emplace_back(*limit_memory);
  // Before the stage goes on to the command, which may want to talk at once.
  if (config.network.joined()) meanwhile.emplace_back(AwaitNetwork{config.network.name});
  meanwhile.emplace_back(HandOver{});
  meanwhile.emplace_back(AwaitPayload{});

  plan.stage = plan_stage(config, host, config.seccomp ? filter : std::string_view());
  plan.config = std::move(config);
  return plan;
}

}  // namespace convox::runtime
