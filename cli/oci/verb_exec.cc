// convox-oci exec: one more process in a container that runs.
#include <fcntl.h>

#include "cli/oci/bundle.h"
#include "cli/oci/known.h"
#include "cli/oci/own_copy.h"
#include "cli/oci/own_user_namespace.h"
#include "runtime/base/fs.h"
#include "runtime/base/words.h"
#include "runtime/oci/end.h"
#include "runtime/security/capabilities.h"
#include "runtime/signals.h"
#include "runtime/supervisor.h"

namespace convox::oci {
namespace {

constexpr int kFailed = 255;  // so that an engine can tell it from what a command says
constexpr std::size_t kLargestProcess = 16 << 20;

constexpr Flag kFlags[] = {
    {"process", 'p', "FILE", "the whole process, as in config.json"},
    {"detach", 'd', "", "leave it to itself once it runs"},
    {"pid-file", 0, "FILE", "gets its number"},
    {"console-socket", 0, "PATH", "a socket that gets the terminal's master"},
    {"pidfd-socket", 0, "PATH", "a socket that gets a pidfd of it"},
    {"tty", 't', "", "with a terminal"},
    {"cwd", 0, "DIR", "its working directory"},
    {"env", 'e', "KEY=VALUE", "a variable", true},
    {"user", 'u', "UID[:GID]", "whose it is"},
    {"additional-gids", 'g', "GID", "a further group", true},
    {"cap", 'c', "CAP", "a capability", true},
    {"no-new-privs", 0, "", "execve gives no privileges"},
    {"process-label", 0, "LABEL", "its SELinux label"},
    {"apparmor", 0, "PROFILE", "its AppArmor profile"},
    {"preserve-fds", 0, "N", "descriptors from 3 on that it gets too"},
    {"cgroup", 0, "PATH", "a group below the container's", true},
    {"ignore-paused", 0, "", "wait in a paused container until that goes on"},
    {"no-subreaper", 0, "", "accepted and not used"},
};

Result<std::uint32_t> id_of(std::string_view text, std::string_view flag) {
  constexpr std::uint64_t kMost = 4294967294;  // 2^32 - 1 means nobody
  const auto value = number(text);
  if (!value || *value > kMost) return invalid(cat("--", flag, ": \"", text, "\" is no id"));
  return static_cast<std::uint32_t>(*value);
}

Result<> take_user(const Words& words, User& user) {
  if (const auto text = words.value("user")) {
    std::string_view rest(*text);
    user.uid = TRY(id_of(cut(rest, ':'), "user"));
    user.gid = text->find(':') == std::string::npos ? 0 : TRY(id_of(rest, "user"));
  }
  for (const std::string& text : words.values("additional-gids"))
    user.additional_gids.push_back(TRY(id_of(text, "additional-gids")));
  return ok();
}

// To what it may gain, has and may have; and, as the specification's authors' runtime does, to what it hands on to a
// program of another user where the container does so.
Result<> take_capabilities(const Words& words, Process& process) {
  const std::vector<std::string> names = words.values("cap");
  if (names.empty()) return ok();
  Capabilities made = process.capabilities.value_or(Capabilities{});
  for (const std::string& name : names) {
    const security::CapabilitySet one =
        TRY(security::parse_capability(name, security::all_capabilities(CAP_LAST_CAP)), "--cap");
    made.bounding |= one;
    made.effective |= one;
    made.permitted |= one;
    if (made.inheritable != 0) made.ambient |= one & made.inheritable;
  }
  process.capabilities = made;
  return ok();
}

Result<Process> process_of(const Words& words, const Config& config) {
  const Process own = config.process.value_or(Process{});
  if (const auto file = words.value("process")) {
    const std::string text = TRY(fs::read(AT_FDCWD, *file, kLargestProcess));
    const Process given = TRY(read_process(text));
    return complete_process(given, own);
  }
  Process process = own;
  process.args = {words.arguments.begin() + 1, words.arguments.end()};
  process.terminal = words.has("tty");
  process.console_size.reset();
  TRY(take_user(words, process.user));
  TRY(take_capabilities(words, process));
  for (const std::string& entry : words.values("env")) {
    if (entry.find('=') == std::string::npos || entry[0] == '=')
      return invalid(cat("--env: \"", entry, "\" is not KEY=VALUE"));
    process.env.push_back(entry);
  }
  if (const auto directory = words.value("cwd")) process.cwd = *directory;
  if (words.has("no-new-privs")) process.no_new_privileges = true;
  if (const auto label = words.value("process-label")) process.selinux_label = *label;
  if (const auto profile = words.value("apparmor")) process.apparmor_profile = *profile;
  return process;
}

// "memory:sub" and "sub" are the same in the one hierarchy of cgroup v2.
Result<std::string> group_of(const Words& words) {
  std::string path = words.value("cgroup").value_or("");
  const std::size_t colon = path.find(':');
  if (colon != std::string::npos && path.find('/') > colon) path.erase(0, colon + 1);
  std::string_view rest(path);
  while (!rest.empty())
    if (cut(rest, '/') == "..") return invalid(cat("--cgroup: ", path, " leads out of the container's group"));
  return cgroup_of(path, "");
}

Result<> check_status(Status status) {
  switch (status) {
    case Status::kCreated:
    case Status::kRunning:
      return ok();
    case Status::kPaused:
      return invalid("cannot exec in a paused container (use --ignore-paused to override)");
    case Status::kCreating:
    case Status::kStopped:
      break;
  }
  return invalid("cannot exec in a stopped container");
}

// By its configuration, or because a process that was executed in it may.
bool may_trace_us(const Config& config, const State& state) {
  if (state.user_namespace) return false;
  const auto bounding = config.process && config.process->capabilities ? config.process->capabilities->bounding : 0;
  return (bounding & security::bit(CAP_SYS_PTRACE)) || state.traces;
}

Result<Started> start(const Globals& globals, const Words& words, int signals) {
  const Claimed claimed = TRY(claim_container(globals, words.arguments[0]));
  const State& state = claimed.known.state;
  TRY(check_status(claimed.known.status));
  const auto target = TRY(find_process(state));
  if (!target) return invalid("cannot exec in a stopped container");

  Config config = TRY(kept_config(claimed.known.states, state.id));
  if (may_trace_us(config, state)) TRY(become_sealed_copy());
  Process process = TRY(process_of(words, config));
  if (process.args.empty()) return invalid("exec needs a command, or --process");
  TRY(check(process));
  if (process.capabilities && (process.capabilities->bounding & security::bit(CAP_SYS_PTRACE)) && !state.traces) {
    State noted = state;
    noted.traces = true;  // whoever is executed next shall know
    TRY(claimed.known.states.write(claimed.claim, noted));
  }
  Outlets outlets = TRY(outlets_of(words, process.terminal, words.has("detach")));
  add_listener(config, outlets);
  ExecWishes wishes;
  wishes.id = state.id;
  wishes.detached = words.has("detach");
  wishes.preserved = TRY(preserved_of(words));
  wishes.cgroup = TRY(group_of(words));
  wishes.modules = modules_for(process, {});
  const auto setgroups = fs::read_once(AT_FDCWD, cat("/proc/", state.pid, "/setgroups"));
  wishes.setgroups_denied = setgroups && setgroups->starts_with("deny");

  const bool entered = TRY(enter_user_namespace_of(state, *target));
  if (entered) inherit_user_namespace(config);
  const runtime::Host host = TRY(runtime::read_host());
  const std::string filter = TRY(filter_of(config, claimed.known.states));
  const UniqueFd trace = TRY(open_trace());
  Plan plan = TRY(plan_exec(config, std::move(process), std::move(wishes), state.namespaces, host, filter));
  plan.stage.traced = static_cast<bool>(trace);
  return exec(plan, state, *target, host.cgroups, outlets, signals, trace_to(trace, plan));
}

// Without the lock, for whoever resumes it must have that; and while signals still end us.
Result<> await_resume(const Globals& globals, const std::string& id) {
  const Known known = TRY(find_container(globals, id));
  if (known.status != Status::kPaused) return ok();
  const cgroups::Hierarchy hierarchy = TRY(hierarchy_or_none());
  return await_resume(known.state, hierarchy);
}

Result<int> exec_verb(const Globals& globals, const Words& words) {
  if (words.has("ignore-paused")) TRY(await_resume(globals, words.arguments[0]));
  const auto watch = TRY(runtime::SignalWatch::start_all());
  Started started = TRY(start(globals, words, watch.fd()));
  if (words.has("detach")) return 0;
  runtime::Running running;  // without the cgroup, which is the container's
  running.pidfd = std::move(started.pidfd);
  running.pid = started.pid;
  running.console = std::move(started.console);
  runtime::Supervision supervision;
  supervision.signals = watch.fd();
  supervision.first_process = false;
  supervision.forwards = true;
  supervision.terminal = static_cast<bool>(running.console);
  const runtime::Ending ending = TRY(supervise(running, supervision));
  return ending.status;
}

}  // namespace

const Verb kExec = {.name = "exec",
                    .usage = "[flags] ID [COMMAND [ARGUMENT...]]",
                    .help = "run one more process in a container",
                    .flags = kFlags,
                    .least = 1,
                    .most = kAll,
                    .failure = kFailed,
                    .perform = exec_verb};

}  // namespace convox::oci
