// convox-oci restore: a container of the files that `checkpoint` wrote.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>

#include "cgroups/device_filter.h"
#include "cli/oci/bundle.h"
#include "cli/oci/criu_words.h"
#include "cli/oci/known.h"
#include "cli/oci/log.h"
#include "runtime/oci/end.h"
#include "runtime/oci/outlets.h"
#include "runtime/signals.h"
#include "runtime/supervisor.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

constexpr Flag kRestoreFlags[] = {
    {"bundle", 'b', "DIR", "where config.json is (the current directory)"},
    {"console-socket", 0, "PATH", "a socket that gets the terminal's master"},
    {"image-path", 0, "DIR", "where the images are"},
    {"work-path", 0, "DIR", "where CRIU's log goes"},
    {"tcp-established", 0, "", "with its TCP connections"},
    {"tcp-close", 0, "", "its TCP connections are closed"},
    {"ext-unix-sk", 0, "", "with sockets to processes outside"},
    {"shell-job", 0, "", "with our terminal"},
    {"file-locks", 0, "", "with its file locks"},
    {"manage-cgroups-mode", 0, "soft|full|strict|ignore", "what becomes of cgroups"},
    {"detach", 'd', "", "leave it to itself once it runs"},
    {"pid-file", 0, "FILE", "gets the number of its first process"},
    {"no-subreaper", 0, "", "accepted and not used"},
    {"no-pivot", 0, "", "no pivot_root, for a root that is the initramfs"},
    {"empty-ns", 0, "TYPE", "a namespace whose content was left out", true},
    {"auto-dedup", 0, "", "free pages that have been restored"},
    {"lazy-pages", 0, "", "memory is fetched when it is needed"},
    {"lsm-profile", 0, "TYPE:LABEL", "a label in place of its own"},
    {"lsm-mount-context", 0, "LABEL", "a label for its mounts in place of their own"},
};

// Its limits and its filter of devices are there before its processes are.
Result<> make_group(const Config& config, State& state, const cgroups::Hierarchy& hierarchy) {
  if (state.driver == CgroupDriver::kDisabled) return ok();
  const auto settings = TRY(cgroups::settings(config.resources, cgroups::weighs_by_bfq(hierarchy)));
  const auto group = TRY(cgroups::Cgroup::create(
      hierarchy, state.cgroup,
      {.needed = cgroups::controllers_of(settings), .useful = cgroups::counting(), .may_exist = true}));
  state.made_cgroup = true;
  TRY(group.write(settings, hierarchy));
  return cgroups::filter_devices(group, cgroups::with_default_devices(config.resources.devices),
                                 !runtime::in_initial_user_namespace());
}

// CRIU puts them there, whatever the images say; if it did not, no limit would hold.
Result<> check_group(const State& state, const cgroups::Hierarchy& hierarchy) {
  if (state.cgroup.empty()) return ok();
  const std::string is = TRY(cgroups::group_of_process(hierarchy, cat(state.pid)));
  if (is == state.cgroup || is.starts_with(cat(state.cgroup, "/"))) return ok();
  return invalid(cat("it was restored in the cgroup ", is, " and not in ", state.cgroup));
}

Result<> make(const Criu& criu, const Bundle& bundle, const States& states, const Claim& claim, State& state,
              const cgroups::Hierarchy& hierarchy) {
  state.boot = TRY(runtime::read_boot_id());
  TRY(states.write_config(claim, bundle.text));
  TRY(states.write(claim, state));
  TRY(make_group(bundle.config, state, hierarchy));
  TRY(states.write(claim, state));
  TRY(check(sys::unshare(CLONE_NEWNS), "unshare", "a mount namespace"));
  TRY(check(sys::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr), "mount", "/"));
  state.pid = TRY(restore(criu, bundle.config, state, claim.directory));
  state.start_time = TRY(start_time_of(state.pid));
  state.started = true;
  TRY(states.write(claim, state));
  return check_group(state, hierarchy);
}

Result<int> restore_verb(const Globals& globals, const Words& words) {
  const auto watch = TRY(runtime::SignalWatch::start_all());
  const std::string& id = words.arguments[0];
  TRY(check_id(id));
  const Criu criu = TRY(criu_of(words));
  const Bundle bundle = TRY(read_bundle(words));
  if (bundle.config.process && bundle.config.process->terminal)
    return invalid("a container with a terminal cannot be restored");
  if (globals.driver == CgroupDriver::kSystemd) return invalid("restore has the cgroup driver cgroupfs alone");
  const cgroups::Hierarchy hierarchy = TRY(hierarchy_or_none());
  const States states = TRY(States::open(globals.root, true));
  Claim claim = TRY(states.claim_new(id));
  Wishes wishes;
  wishes.id = id;
  wishes.bundle = bundle.path;
  wishes.driver = globals.driver;
  State state = first_state(bundle, wishes);
  Result<> made = make(criu, bundle, states, claim, state, hierarchy);
  const auto pid_file = words.value("pid-file");
  if (made && pid_file) made = write_pid_file(*pid_file, state.pid);
  if (!made) {
    const auto disposed = dispose(states, claim, state, hierarchy);
    if (!disposed) log_debug(cat("disposing of what failed: ", words_of(disposed.error())));
    return std::move(made).error();
  }
  if (words.has("detach")) return 0;
  runtime::Running running;
  running.pidfd = UniqueFd(TRY(check(sys::pidfd_open(state.pid, 0), "pidfd_open", cat(state.pid))));
  running.pid = state.pid;
  claim.directory.reset();  // for whoever wants to kill it
  runtime::Supervision supervision;
  supervision.signals = watch.fd();
  supervision.forwards = true;
  const auto ending = supervise(running, supervision);
  auto again = states.claim(id);
  if (again) TRY(dispose(states, *again, state, hierarchy));
  if (!ending) return ending.error();
  return ending->status;
}

}  // namespace

const Verb kRestore = {.name = "restore",
                       .usage = "[flags] ID",
                       .help = "run a container that was written into files",
                       .flags = kRestoreFlags,
                       .least = 1,
                       .most = 1,
                       .perform = restore_verb};

}  // namespace convox::oci
