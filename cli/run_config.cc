#include "cli/run_config.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "cli/limit_flags.h"
#include "cli/process_flags.h"
#include "cli/publish_flags.h"
#include "cli/shell_words.h"
#include "cli/signal_names.h"
#include "cli/times.h"
#include "runtime/base/fs.h"
#include "runtime/launch_plan.h"

namespace convox::cli {
namespace {

using runtime::ContainerConfig;

constexpr std::string_view kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

class Maker {
 public:
  Maker(const Invocation& invocation, const app::RunSource& source, const runtime::Host& host)
      : flags_(invocation), source_(source), host_(host), service_(source.service) {
    if (source.image) image_ = source.image->config;
  }

  Result<RunConfig> make() {
    want_.app = source_.app;
    want_.service = service_.name;
    want_.release = source_.release.id;
    want_.layers = source_.image ? source_.image->layers : std::vector<std::string>{"<layers of the image>"};
    want_.init = service_.init_given && service_.init;
    want_.read_only_root = flags_.flag("read-only") || service_.security.read_only_root;
    const bool detached = flags_.flag("detach");
    want_.keep = detached || flags_.flag("keep");
    want_.terminal = detached ? flags_.flag("tty") : user_at_terminal();
    if (want_.terminal) want_.terminal_size = runtime::users_terminal_size();
    const std::vector<std::string> words(flags_.arguments.begin() + 1, flags_.arguments.end());
    TRY(set_command(want_, flags_.flag("entrypoint", true) ? image_.entrypoint : std::vector<std::string>(), words));
    TRY(set_environment());
    TRY(set_user());
    TRY(set_namespaces());
    TRY(set_capabilities());
    want_.limits = TRY(limits_of(flags_));
    TRY(set_volumes());
    TRY(set_directory(want_, flags_, image_.working_dir.empty() ? "/" : image_.working_dir));
    if (!image_.stop_signal.empty()) out_.stop_signal = TRY(parse_signal(image_.stop_signal), "the image's StopSignal");
    out_.grace = service_.grace;
    return std::move(out_);
  }

 private:
  Result<> set_environment() {
    for (const std::string& entry : image_.env) put(want_.env, entry);
    for (const auto& [key, value] : source_.environment) put(want_.env, cat(key, "=", value));
    TRY(put_given(want_.env, flags_));
    put_if_unset(want_.env, kDefaultPath);
    put_if_unset(want_.env, "container=convox");
    if (want_.terminal) put_if_unset(want_.env, callers_term());
    return ok();
  }

  Result<> set_user() {
    const app::SecurityContext& security = service_.security;
    want_.never_root = security.run_as_non_root.value_or(false);
    want_.user = image_.user;
    if (security.run_as_user) want_.user = cat(*security.run_as_user);
    if (security.run_as_group) {
      const std::string user = want_.user.substr(0, want_.user.find(':'));
      want_.user = cat(user.empty() ? "0" : user, ":", *security.run_as_group);
    }
    if (const auto user = flags_.value("user")) want_.user = *user;
    return ok();
  }

  [[nodiscard]] bool privileged() const { return flags_.flag("privileged") || service_.privileged; }

  Result<> set_namespaces() {
    const std::string_view network = flags_.value("network").value_or("bridge");
    if (network != "bridge" && network != "none" && network != "host")
      return invalid(cat("--network \"", network, "\": bridge, none or host"));
    want_.namespaces.network = network != "host";
    if (network == "bridge") want_.network.name = source_.app;
    TRY(set_ports(network));
    const std::string_view userns = flags_.value("userns").value_or("auto");
    if (userns != "auto" && userns != "host") return invalid(cat("--userns \"", userns, "\": auto or host"));
    want_.namespaces.user = userns != "host" && !privileged();
    if (want_.namespaces.user && (!host_.user_namespaces() || !host_.idmapped_layers())) {
      want_.namespaces.user = false;
      out_.warnings.emplace_back(
          "this host gives no user namespace with idmapped layers (convox doctor says why): root in the container is "
          "root outside");
    }
    return ok();
  }

  Result<> set_ports(std::string_view network) {
    if (flags_.flag("publish-all")) want_.network.published = TRY(ports_of(source_.manifest, service_));
    for (const std::string_view text : flags_.values("publish")) {
      networks::Published port = TRY(parse_published(text), "--publish \"", text, "\"");
      std::erase_if(want_.network.published, [&](const auto& other) { return port_name(other) == port_name(port); });
      want_.network.published.push_back(std::move(port));
    }
    if (want_.network.joined() || (!flags_.flag("publish-all") && want_.network.published.empty())) return ok();
    return invalid(cat("--publish needs --network bridge, not ", network));
  }

  Result<> set_capabilities() {
    const app::SecurityContext& security = service_.security;
    std::vector<std::string> add = security.add, drop = security.drop;
    for (const std::string_view name : flags_.values("cap-add")) add.emplace_back(name);
    for (const std::string_view name : flags_.values("cap-drop")) drop.emplace_back(name);
    const std::string last = TRY(fs::read(AT_FDCWD, "/proc/sys/kernel/cap_last_cap", 16));
    unsigned last_capability = 0;
    std::from_chars(last.data(), last.data() + last.size(), last_capability);
    const security::CapabilitySet all = security::all_capabilities(last_capability);
    if (privileged()) {
      want_.capabilities = all;
      want_.seccomp = want_.masks = want_.no_new_privileges = false;
      out_.warnings.emplace_back("a privileged container is not confined: its root can take over this host");
    }
    want_.capabilities = TRY(security::adjust(want_.capabilities, add, drop, all));
    if (!privileged() && (want_.capabilities & security::bit(CAP_SYS_ADMIN)))
      out_.warnings.emplace_back("with SYS_ADMIN the container can undo the masks and mount flags of its own view");
    if (security.allow_privilege_escalation.value_or(false)) want_.no_new_privileges = false;
    if (security.seccomp_profile == "Unconfined") want_.seccomp = false;
    return ok();
  }

  [[nodiscard]] std::string volumes_root() const { return cat(flags_.globals.root, "/volumes/", source_.app); }

  Result<> add_volume(runtime::Volume volume) {
    volume.target = TRY(runtime::plain_target("volume", volume.target));
    struct stat st {};
    const long rc = sys::newfstatat(AT_FDCWD, volume.source.c_str(), &st, 0);
    if (rc < 0 && !(rc == -ENOENT && volume.make_source)) return os_error("volume", volume.source, Errno(rc));
    volume.is_file = rc == 0 && !S_ISDIR(st.st_mode);
    // The same place named twice: the later one counts.
    std::erase_if(want_.volumes, [&](const auto& other) { return other.target == volume.target; });
    want_.volumes.push_back(std::move(volume));
    return ok();
  }

  // HOST_OR_NAME:PATH[:ro]
  Result<> add_volume_flag(std::string_view text) {
    runtime::Volume volume;
    if (text.ends_with(":ro") || text.ends_with(":rw")) {
      volume.read_only = text.ends_with(":ro");
      text.remove_suffix(3);
    }
    const std::size_t colon = text.find(':');
    if (colon == 0 || colon == std::string_view::npos || colon + 1 == text.size())
      return invalid(cat("--volume \"", text, "\": expected HOST_OR_NAME:PATH[:ro]"));
    const std::string source(text.substr(0, colon));
    volume.target = text.substr(colon + 1);
    if (source[0] == '/') {
      volume.source = source;
    } else if (source[0] == '.') {
      char here[4096];
      const long size = TRY(check(sys::getcwd(here, sizeof here), "getcwd", ""));
      volume.source = cat(std::string_view(here, static_cast<std::size_t>(size) - 1), "/", source);
    } else {
      if (!fs::is_component(source)) return invalid(cat("--volume \"", source, "\" is neither a path nor a name"));
      volume.source = cat(volumes_root(), "/app/", source);
      volume.make_source = true;
    }
    return add_volume(std::move(volume));
  }

  Result<> set_volumes() {
    for (const app::Volume& from : service_.volumes) {
      runtime::Volume volume;
      volume.target = from.path;
      volume.make_source = from.kind != app::Volume::Kind::kHost;
      if (from.kind == app::Volume::Kind::kHost) volume.source = from.source;
      if (from.kind == app::Volume::Kind::kApp) volume.source = cat(volumes_root(), "/app/", from.source);
      if (from.kind == app::Volume::Kind::kService)
        volume.source = cat(volumes_root(), "/service/", service_.name, "/", from.source);
      TRY(add_volume(std::move(volume)));
    }
    if (flags_.flag("use-service-volume"))
      for (const app::EmptyDir& from : service_.empty_dirs) {
        if (from.medium == "Memory")
          want_.tmpfs.push_back({from.path, static_cast<std::uint64_t>(from.size_limit)});
        else
          want_.own_volumes.push_back(from.path);
      }
    for (const std::string_view text : flags_.values("volume")) TRY(add_volume_flag(text));
    for (const std::string& path : image_.volumes) {
      const auto target = runtime::plain_target("volume of the image", path);
      if (!target) {  // images made for systemd name /sys/fs/cgroup, which every container has
        out_.warnings.push_back(target.error().text);
        continue;
      }
      const auto covers = [&](const auto& mount) { return mount.target == *target; };
      if (std::none_of(want_.volumes.begin(), want_.volumes.end(), covers) &&
          std::none_of(want_.tmpfs.begin(), want_.tmpfs.end(), covers))
        want_.own_volumes.push_back(*target);
    }
    return ok();
  }

  const Invocation& flags_;
  const app::RunSource& source_;
  const runtime::Host& host_;
  const app::Service& service_;
  rootfs::ImageConfig image_;
  RunConfig out_;
  ContainerConfig& want_ = out_.config;
};

}  // namespace

Result<RunConfig> make_run_config(const Invocation& invocation, const app::RunSource& source,
                                  const runtime::Host& host) {
  return Maker(invocation, source, host).make();
}

void name_host(runtime::ContainerConfig& config) {
  const auto names_it = [](const std::string& entry) { return entry.starts_with("HOSTNAME="); };
  if (std::none_of(config.env.begin(), config.env.end(), names_it)) config.env.push_back(cat("HOSTNAME=", config.id));
}

runtime::Record record_of(const runtime::ContainerConfig& config, const RunConfig& run,
                          const std::vector<std::string>& command, std::string boot_id) {
  runtime::Record record;
  record.id = config.id;
  record.app = config.app;
  record.service = config.service;
  record.release = config.release;
  record.command = command;
  record.boot_id = std::move(boot_id);
  record.started = now() / kSecond;
  record.cgroup = cat("convox/", config.id);
  record.layers = config.layers;
  record.keep = config.keep;
  record.holder = static_cast<int>(sys::getpid());
  record.stop_signal = run.stop_signal;
  record.grace = run.grace;
  return record;
}

}  // namespace convox::cli
