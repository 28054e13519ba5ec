// convox-oci create, run: makes a container of a bundle, up to its gate or all the way.
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>

#include "cli/oci/bundle.h"
#include "cli/oci/known.h"
#include "cli/oci/log.h"
#include "cli/oci/own_copy.h"
#include "cli/oci/own_user_namespace.h"
#include "runtime/base/fs.h"
#include "runtime/base/words.h"
#include "runtime/oci/end.h"
#include "runtime/signals.h"
#include "runtime/supervisor.h"

namespace convox::oci {

namespace {

constexpr Flag kCreateFlags[] = {
    {"bundle", 'b', "DIR", "where config.json is (the current directory)"},
    {"config", 'f', "FILE", "read this instead of config.json"},
    {"console-socket", 0, "PATH", "a socket that gets the terminal's master"},
    {"pidfd-socket", 0, "PATH", "a socket that gets a pidfd of the container"},
    {"pid-file", 0, "FILE", "gets the number of the container's first process"},
    {"no-pivot", 0, "", "no pivot_root, for a root that is the initramfs"},
    {"no-new-keyring", 0, "", "keep the session keyring"},
    {"preserve-fds", 0, "N", "descriptors from 3 on that the container gets too"},
    {"no-subreaper", 0, "", "accepted and not used"},
};
constexpr Flag kRunFlags[] = {
    kCreateFlags[0],
    kCreateFlags[1],
    kCreateFlags[2],
    kCreateFlags[3],
    kCreateFlags[4],
    kCreateFlags[5],
    kCreateFlags[6],
    kCreateFlags[7],
    kCreateFlags[8],
    {"detach", 'd', "", "leave it to itself once it runs"},
    {"keep", 0, "", "do not delete it at its end"},
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Sockets that systemd handed to the caller: they stand behind the descriptors of --preserve-fds' count, as both
// runtimes have it.  sd_listen_fds(3)
Result<> add_listening(Wishes& wishes) {
  const std::string count = variable("LISTEN_FDS");
  if (count.empty()) return ok();
  const auto sockets = number(count);
  if (!sockets || *sockets > 1024) return invalid(cat("LISTEN_FDS=", count, " is no number of descriptors"));
  wishes.listening = static_cast<std::uint32_t>(*sockets);
  wishes.preserved += wishes.listening;
  wishes.listening_names = variable("LISTEN_FDNAMES");
  return ok();
}

bool setgroups_denied() {
  const auto text = fs::read_once(AT_FDCWD, "/proc/self/setgroups");
  return text && text->starts_with("deny");
}

// The one file of a cgroup whose name depends on the machine.
bool weights_by_bfq(const cgroups::Resources& resources, const runtime::Host& host) {
  if (!resources.io_weight && resources.io_device_weights.empty()) return false;
  return cgroups::weighs_by_bfq(host.cgroups);
}

Result<Wishes> wishes_of(const Globals& globals, const Words& words, const Bundle& bundle, const runtime::Host& host,
                         bool gate) {
  Wishes wishes;
  wishes.id = words.arguments[0];
  wishes.bundle = bundle.path;
  wishes.gate = gate;
  wishes.no_pivot = words.has("no-pivot");
  wishes.new_keyring = !words.has("no-new-keyring");
  wishes.preserved = TRY(preserved_of(words));
  TRY(add_listening(wishes));
  wishes.notify_socket = variable("NOTIFY_SOCKET");
  wishes.driver = globals.driver;
  wishes.rootless = globals.rootless;
  wishes.setgroups_denied = setgroups_denied();
  const Config& config = bundle.config;
  wishes.modules = modules_for(config.process.value_or(Process{}), config.mount_label);
  wishes.weights_by_bfq = weights_by_bfq(config.resources, host);
  return wishes;
}

// A cleaner of temporary files leaves alone what has the sticky bit.  XDG Base Directory Specification
void keep_from_cleaners(const Globals& globals) {
  if (!globals.root_of_user) return;
  const auto root = fs::open(globals.root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (root) (void)sys::fchmod(root->get(), 01700);
}

// One container that is being made; what is left of it if that fails, goes.
class Making {
 public:
  Making(States states, Claim claim, cgroups::Hierarchy hierarchy, State state)
      : states_(std::move(states)),
        claim_(std::move(claim)),
        hierarchy_(std::move(hierarchy)),
        state_(std::move(state)) {}
  Making(Making&&) = default;

  Result<Started> make(const Bundle& bundle, Wishes wishes, const runtime::Host& host, const std::string& filter,
                       const Outlets& outlets, int signals) {
    auto started = try_to_make(bundle, std::move(wishes), host, filter, outlets, signals);
    if (!started) {
      const auto disposed = end();
      if (!disposed) log_debug(cat("disposing of what failed: ", words_of(disposed.error())));
    }
    return started;
  }

  // For whoever wants to kill it or run more in it.
  void unlock() { claim_.directory.reset(); }

  Result<> end() {
    if (!claim_.directory) {
      auto again = states_.claim(claim_.id);
      if (!again) return again.error().kind == Error::Kind::kNotFound ? ok() : Result<>(std::move(again).error());
      claim_ = *std::move(again);
    }
    const auto complaint = TRY(dispose(states_, claim_, state_, hierarchy_));
    if (complaint) log_warning(words_of(*complaint));
    return ok();
  }

 private:
  Result<Started> try_to_make(const Bundle& bundle, Wishes wishes, const runtime::Host& host, const std::string& filter,
                              const Outlets& outlets, int signals) {
    const UniqueFd trace = TRY(open_trace());
    state_.boot = TRY(runtime::read_boot_id());
    TRY(states_.write_config(claim_, bundle.text));
    Plan plan = TRY(plan_create(bundle.config, std::move(wishes), host, filter));
    plan.stage.traced = static_cast<bool>(trace);
    return create(plan, states_, claim_, hierarchy_, outlets, state_, signals, trace_to(trace, plan));
  }

  States states_;
  Claim claim_;
  cgroups::Hierarchy hierarchy_;
  State state_;
};

struct Made {
  Making making;
  Started started;
  bool terminal = false;
};

// Everything that can be refused without a trace is refused before the id is taken.
Result<Made> make(const Globals& globals, const Words& words, bool gate, bool detached,
                  const runtime::SignalWatch& watch) {
  const std::string& id = words.arguments[0];
  TRY(check_id(id));
  Bundle bundle = TRY(read_bundle(words));
  const Namespace* pids = bundle.config.find(Kind::kPid);
  if (pids && !pids->path.empty()) TRY(become_sealed_copy());
  const bool terminal = bundle.config.process && bundle.config.process->terminal;
  Outlets outlets = TRY(outlets_of(words, terminal, detached));
  add_listener(bundle.config, outlets);
  const bool entered = TRY(enter_own_user_namespace(bundle.config));
  const runtime::Host host = TRY(runtime::read_host());
  const Wishes wishes = TRY(wishes_of(globals, words, bundle, host, gate));
  States states = TRY(States::open(globals.root, true));
  keep_from_cleaners(globals);
  const std::string filter = TRY(filter_of(bundle.config, states));
  Claim claim = TRY(states.claim_new(id));
  Making making(std::move(states), std::move(claim), host.cgroups, first_state(bundle, wishes));
  if (entered) inherit_user_namespace(bundle.config);
  Started started = TRY(making.make(bundle, wishes, host, filter, outlets, watch.fd()));
  return Made{std::move(making), std::move(started), terminal};
}

Result<int> create_verb(const Globals& globals, const Words& words) {
  const auto watch = TRY(runtime::SignalWatch::start());
  TRY(make(globals, words, true, true, watch));
  return 0;
}

Result<int> run_verb(const Globals& globals, const Words& words) {
  const bool detached = words.has("detach");
  const auto watch = TRY(runtime::SignalWatch::start_all());
  Made made = TRY(make(globals, words, false, detached, watch));
  if (detached) return 0;
  made.making.unlock();
  runtime::Running running;
  running.pidfd = std::move(made.started.pidfd);
  running.pid = made.started.pid;
  running.console = std::move(made.started.console);
  runtime::Supervision supervision;
  supervision.signals = watch.fd();
  supervision.forwards = true;
  supervision.terminal = static_cast<bool>(running.console);
  const auto ending = supervise(running, supervision);
  if (!words.has("keep")) TRY(made.making.end());
  if (!ending) return ending.error();
  return ending->status;
}

}  // namespace

const Verb kCreate = {.name = "create",
                      .usage = "[flags] ID",
                      .help = "make a container, up to the start of its program",
                      .flags = kCreateFlags,
                      .least = 1,
                      .most = 1,
                      .perform = create_verb};
const Verb kRun = {.name = "run",
                   .usage = "[flags] ID",
                   .help = "make a container and run its program",
                   .flags = kRunFlags,
                   .least = 1,
                   .most = 1,
                   .perform = run_verb};

}  // namespace convox::oci
