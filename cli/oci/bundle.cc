#include "cli/oci/bundle.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/times.h"
#include "runtime/base/fs.h"
#include "runtime/base/words.h"
#include "runtime/oci/words.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

constexpr std::size_t kLargestConfig = 16 << 20;

// As it was given where that is absolute: the caller will look for it by that name.
Result<std::string> absolute(const std::string& path, const UniqueFd& directory) {
  if (path.starts_with('/') && path.find("/..") == std::string::npos) {
    std::string plain = path;
    while (plain.size() > 1 && plain.ends_with('/')) plain.pop_back();
    return plain;
  }
  char link[4096];
  const std::string name = cat("/proc/self/fd/", directory.get());
  const long size = TRY(check(sys::readlinkat(AT_FDCWD, name.c_str(), link, sizeof link), "readlink", name));
  return std::string(link, static_cast<std::size_t>(size));
}

Result<std::string> config_text(const Words& words, const UniqueFd& directory, const std::string& bundle) {
  const auto given = words.value("config");
  if (given) return fs::read(AT_FDCWD, *given, kLargestConfig);
  auto text = fs::read(directory.get(), "config.json", kLargestConfig);
  // Without the kernel's words, which an engine would take for a command that is not there.
  if (!text && text.error().code == ENOENT) return not_found(cat("there is no config.json in ", bundle));
  return text;
}

// "root"; of a user without a name the number.  passwd(5)
std::string user_name(unsigned uid) {
  if (uid == 0) return "root";
  const auto passwd = fs::read(AT_FDCWD, "/etc/passwd", 1 << 20);
  std::string_view rest = passwd ? std::string_view(*passwd) : std::string_view();
  while (!rest.empty()) {
    std::string_view line = cut(rest, '\n');
    const std::string_view user = cut(line, ':');
    cut(line, ':');
    if (number(cut(line, ':')) == uid) return std::string(user);
  }
  return cat(uid);
}

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : std::string_view();
}

}  // namespace

Result<Bundle> read_bundle(const Words& words) {
  Bundle bundle;
  const std::string path = words.value("bundle").value_or(".");
  const long opened = sys::openat(AT_FDCWD, path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (opened == -ENOENT) return not_found(cat("there is no bundle ", path));
  const UniqueFd directory(TRY(check(opened, "open", path), "opening the bundle"));
  bundle.path = TRY(absolute(path, directory));
  bundle.text = TRY(config_text(words, directory, bundle.path));
  bundle.config = TRY(read_config(bundle.text));
  TRY(check(bundle.config));
  return bundle;
}

Result<Config> kept_config(const States& states, const std::string& id) {
  const std::string text = TRY(states.config(id));
  return read_config(text);
}

Result<Outlets> outlets_of(const Words& words, bool terminal, bool detached) {
  Outlets outlets;
  outlets.console_socket = words.value("console-socket").value_or("");
  outlets.pidfd_socket = words.value("pidfd-socket").value_or("");
  outlets.pid_file = words.value("pid-file").value_or("");
  if (terminal && detached && outlets.console_socket.empty())
    return invalid("a terminal needs --console-socket, because nobody stays to relay it");
  if (!terminal && !outlets.console_socket.empty())
    return invalid("--console-socket without a terminal: process.terminal is false");
  return outlets;
}

void add_listener(const Config& config, Outlets& outlets) {
  if (!config.seccomp) return;
  outlets.listener_path = config.seccomp->listener_path;
  outlets.listener_metadata = config.seccomp->listener_metadata;
}

Result<std::uint32_t> preserved_of(const Words& words) {
  const auto text = words.value("preserve-fds");
  if (!text) return 0U;
  constexpr std::uint64_t kMost = 1024;
  const auto count = number(*text);
  if (!count || *count > kMost) return invalid(cat("--preserve-fds: \"", *text, "\" is no number up to ", kMost));
  for (int fd = 3; fd < 3 + static_cast<int>(*count); ++fd)
    TRY(check(sys::fcntl(fd, F_GETFD), "fcntl", cat("descriptor ", fd)), "--preserve-fds");
  return static_cast<std::uint32_t>(*count);
}

Result<std::string> filter_of(const Config& config, const States& states) {
  if (!config.seccomp) return std::string();
  const UniqueFd cache = TRY(states.filter_cache());
  return security::profile_program(*config.seccomp, cache.get());
}

SecurityModules modules_for(const Process& process, const std::string& mount_label) {
  const auto is_given = [](const std::optional<std::string>& label) { return label && !label->empty(); };
  if (!is_given(process.apparmor_profile) && !is_given(process.selinux_label) && mount_label.empty()) return {};
  const auto root = fs::open("/", O_PATH | O_DIRECTORY);
  return root ? read_security_modules(root->get()) : SecurityModules{};
}

State first_state(const Bundle& bundle, const Wishes& wishes) {
  const Config& config = bundle.config;
  State state;
  state.version = config.version;
  state.id = wishes.id;
  state.bundle = wishes.bundle;
  state.rootfs = config.root.starts_with('/') ? config.root : cat(wishes.bundle, "/", config.root);
  state.owner = user_name(::geteuid());
  state.created = cli::rfc3339_nano(cli::now());
  state.driver = wishes.driver;
  if (wishes.driver == CgroupDriver::kCgroupfs) state.cgroup = cgroup_of(config.cgroups_path, wishes.id);
  state.own_pid_namespace = config.is_new(Kind::kPid);
  state.has_poststart = !config.hooks.poststart.empty();
  state.has_poststop = !config.hooks.poststop.empty();
  state.notifies = config.seccomp && config.seccomp->notifies();
  state.notify_socket = !wishes.notify_socket.empty();
  for (const Kind kind : kKinds)
    if (config.has_own(kind)) state.namespaces |= static_cast<std::uint32_t>(flag_of(kind));
  if (bundle.entered) state.namespaces |= CLONE_NEWUSER;
  state.user_namespace = config.has_own(Kind::kUser) || bundle.entered;
  state.annotations = config.annotations;
  return state;
}

Result<UniqueFd> open_trace() {
  const std::string path(variable("CONVOX_TRACE"));
  if (path.empty()) return UniqueFd();
  return fs::open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY, 0600);
}

runtime::StepDone trace_to(const UniqueFd& file, const Plan& plan) {
  if (!file) return {};
  return [&file, &plan](std::size_t number, std::chrono::nanoseconds duration) {
    const std::string line =
        cat(number, "/", plan.size(), " ", duration.count() / 1000, "us ", runtime::words_of(plan, number).deed, "\n");
    (void)fs::write_all(file.get(), line, "CONVOX_TRACE");
  };
}

}  // namespace convox::oci
