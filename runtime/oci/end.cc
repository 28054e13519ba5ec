#include "runtime/oci/end.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <ctime>

#include "cgroups/stats.h"
#include "runtime/base/first_error.h"
#include "runtime/base/fs.h"
#include "runtime/host.h"
#include "runtime/oci/config.h"
#include "runtime/oci/hooks.h"
#include "runtime/oci/resctrl.h"
#include "runtime/oci/systemd.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

using namespace std::chrono_literals;
using cgroups::Cgroup;
using cgroups::Hierarchy;

constexpr auto kFreezing = 10s;
constexpr auto kPaused = 24h * 365;
constexpr int kDyingSeconds = 10;  // from SIGKILL to the end: who waits for a disk does not die before that lets go

Error not_running() { return invalid("container not running"); }

// Nothing if it has none, or if it is gone.
Result<std::optional<Cgroup>> group_of(const std::string& path, const Hierarchy& hierarchy) {
  std::optional<Cgroup> none;
  if (path.empty() || hierarchy.mount_point.empty()) return none;
  auto group = Cgroup::open(hierarchy, path);
  if (group) return std::optional<Cgroup>(*std::move(group));
  if (group.error().kind == Error::Kind::kNotFound) return none;
  return std::move(group).error();
}

// The paused stay paused: what they were sent they get when they go on.
Result<> signal_group(const Cgroup& group, int signal) {
  if (signal == SIGKILL) return group.kill();
  const bool paused = TRY(cgroups::is_frozen(group));
  if (!paused) TRY(group.freeze(kFreezing));  // nobody forks past us, and no number gets another owner
  FirstError first;
  const auto pids = group.processes();
  if (!pids) first(pids.error());
  if (pids)
    for (const int pid : *pids) {
      if (pid == 0) continue;  // in a PID namespace that we do not see
      const UniqueFd process(sys::pidfd_open(pid, 0));
      if (process) sys::pidfd_send_signal(process.get(), signal);
    }
  if (!paused) first(group.thaw(kFreezing));
  return std::move(first).result();
}

Result<> wait_end(const UniqueFd& pidfd, int pid) {
  pollfd end{pidfd.get(), POLLIN, 0};
  timespec left{kDyingSeconds, 0};  // the call counts it down, so EINTR needs no clock: ppoll(2)
  long ready = 0;
  do ready = sys::ppoll(&end, 1, &left);
  while (ready == -EINTR);
  TRY(check(ready, "ppoll", ""));
  if (ready > 0) return ok();
  return Error{Error::Kind::kSystem, ETIMEDOUT,
               cat("process ", pid, " still lives ", kDyingSeconds, " seconds after SIGKILL"),
               cat("see what it waits for in /proc/", pid, "/stack")};
}

Result<> end_first_process(const State& state) {
  const auto process = TRY(find_process(state));
  if (!process) return ok();
  const long sent = sys::pidfd_send_signal(process->get(), SIGKILL);
  if (sent != -ESRCH) TRY(check(sent, "pidfd_send_signal", cat(state.pid)));
  return wait_end(*process, state.pid);
}

// A `create` that found its cgroup taken leaves a record that names it. Then what is in there is not ours to kill.
Result<> end_group(const std::string& path, bool ours, const Hierarchy& hierarchy) {
  const auto group = TRY(group_of(path, hierarchy));
  if (!group) return ok();
  if (ours) return group->end();
  (void)group->remove();  // if it is empty
  return ok();
}

Result<> end_resctrl(const std::string& made) {
  if (made.empty()) return ok();
  const UniqueFd root = TRY(open_resctrl());
  return leave_resctrl(root.get(), made);
}

// As little as a damaged record leaves: `create` writes both files at once, so a configuration is there if anything is.
std::optional<State> reconstruct(const States& states, const Claim& claim) {
  const auto text = states.config(claim.id);
  if (!text) return std::nullopt;
  State state;
  state.id = claim.id;
  state.made_cgroup = true;
  const auto config = read_config(*text);
  state.cgroup = cgroup_of(config ? config->cgroups_path : std::string(), claim.id);
  state.has_poststop = config && !config->hooks.poststop.empty();
  return state;
}

std::vector<Hook> poststop_hooks(const States& states, const State& state) {
  if (!state.has_poststop) return {};
  const auto text = states.config(state.id);
  auto config = text ? read_config(*text) : Result<Config>(text.error());
  return config ? std::move(config->hooks.poststop) : std::vector<Hook>();
}

}  // namespace

Result<> kill(const State& state, Status status, int signal, bool all, const Hierarchy& hierarchy) {
  // Whoever shares a PID namespace may outlive the container's first process, whose end then kills nobody else.
  if (all || (signal == SIGKILL && !state.own_pid_namespace)) {
    const auto group = TRY(group_of(state.cgroup, hierarchy));
    if (group && state.made_cgroup) {
      const std::vector<int> pids = TRY(group->processes());
      return pids.empty() ? Result<>(not_running()) : signal_group(*group, signal);
    }
  }
  if (status == Status::kStopped || status == Status::kCreating) return not_running();
  const auto process = TRY(find_process(state));
  if (!process) return not_running();
  const long sent = sys::pidfd_send_signal(process->get(), signal);
  if (sent == -ESRCH) return not_running();
  TRY(check(sent, "pidfd_send_signal", cat(state.pid)));
  return ok();
}

Result<> pause(const State& state, const Hierarchy& hierarchy) {
  const auto group = TRY(group_of(state.cgroup, hierarchy));
  if (!group) return invalid("cannot pause a container without a cgroup");
  return group->freeze(kFreezing);
}

Result<> resume(const State& state, const Hierarchy& hierarchy) {
  const auto group = TRY(group_of(state.cgroup, hierarchy));
  if (!group) return invalid("cannot resume a container without a cgroup");
  return group->thaw(kFreezing);
}

Result<> await_resume(const State& state, const Hierarchy& hierarchy) {
  const auto group = TRY(group_of(state.cgroup, hierarchy));
  return group ? group->wait_thawed(kPaused) : ok();
}

// Everything is tried, and the directory goes last: as long as something could not be removed, its name is known.
Result<std::optional<Error>> dispose(const States& states, const Claim& claim, const std::optional<State>& record,
                                     const Hierarchy& hierarchy) {
  const std::optional<State> state = record ? record : reconstruct(states, claim);
  std::optional<Error> complaint;
  if (!state) {
    TRY(states.remove(claim));
    return complaint;
  }
  FirstError first;
  first(end_group(state->cgroup, state->made_cgroup, hierarchy));
  first(end_first_process(*state));
  if (state->driver == CgroupDriver::kSystemd && !state->scope.empty())
    first(stop_scope(state->scope, ::geteuid() != 0 || !runtime::in_initial_user_namespace()));
  first(end_resctrl(state->resctrl));
  TRY(std::move(first).result());
  const std::vector<Hook> hooks = poststop_hooks(states, *state);
  TRY(states.remove(claim));
  if (!hooks.empty()) {
    Result<> ran = run_all_hooks(hooks, "poststop", state_json(*state, Status::kStopped), state->bundle);
    if (!ran) complaint = std::move(ran).error();
  }
  return complaint;
}

}  // namespace convox::oci
