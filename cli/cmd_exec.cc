#include "cli/cmd_exec.h"

#include <signal.h>

#include <chrono>
#include <vector>

#include "cli/containers_view.h"
#include "cli/ending_view.h"
#include "cli/explain_view.h"
#include "cli/output.h"
#include "cli/process_flags.h"
#include "cli/shell_words.h"
#include "runtime/exec.h"
#include "runtime/security/seccomp.h"
#include "runtime/signals.h"
#include "runtime/supervisor.h"

namespace convox::cli {
namespace {

using Clock = std::chrono::steady_clock;

// The container's own, but for what this command has of its own. Its entrypoint is not put in front.
Result<runtime::ContainerConfig> make_config(const Invocation& invocation, runtime::ContainerConfig config) {
  const bool detached = invocation.flag("detach");
  config.terminal = !detached && user_at_terminal();
  config.terminal_size = config.terminal ? runtime::users_terminal_size() : std::nullopt;
  TRY(set_command(config, {}, {invocation.arguments.begin() + 1, invocation.arguments.end()}));
  if (config.terminal) put(config.env, callers_term());
  TRY(put_given(config.env, invocation));
  TRY(set_directory(config, invocation, config.directory));
  if (const auto user = invocation.value("user")) config.user = *user;
  return config;
}

class ExecCommand {
 public:
  ExecCommand(const Invocation& invocation, const Containers& containers, const runtime::Listed& container)
      : invocation_(invocation),
        containers_(containers),
        container_(container),
        record_(container.record),
        who_(cat("exec in ", record_.id)) {}

  Result<int> perform() {
    runtime::ContainerConfig own = TRY(containers_.records.config(record_.id), who_);
    config_ = TRY(make_config(invocation_, std::move(own)), who_);
    const runtime::ExecTarget target =
        TRY(open_target(containers_.records, containers_.host.cgroups, container_, config_.namespaces));
    runtime::ExecPlan plan = TRY(make_plan(target), who_);
    if (invocation_.flag("explain")) {
      TRY(print(explain(plan, cat("convox exec ", shell_quoted(invocation_.arguments)))));
      return 0;
    }
    // Before the first side effect: a signal from here on is a message.
    const runtime::SignalWatch signals = TRY(runtime::SignalWatch::start());
    const UniqueFd groups = TRY(containers_.records.exec_groups());
    plan.stage.traced = invocation_.flag("trace");
    runtime::StepDone done;
    if (plan.stage.traced) done = [&](std::size_t number, auto time) { steps_.push_back({number, time}); };
    runtime::Exec exec(plan, target, groups.get(), signals.fd(), done);
    Result<int> result = start_and_wait(exec, target, signals);
    Result<> ended = exec.end();
    if (!ended) ended = std::move(ended).error().under(cat("removing what exec left in ", record_.id));
    return after_removal(std::move(result), std::move(ended));
  }

 private:
  Result<runtime::ExecPlan> make_plan(const runtime::ExecTarget& target) {
    std::string filter;
    const UniqueFd cache = TRY(containers_.records.filter_cache());
    if (config_.seccomp) filter = TRY(security::filter_program(config_.capabilities, cache.get()));
    return runtime::plan_exec(config_, target.limits, invocation_.flag("detach"), containers_.host, filter);
  }

  Result<int> start_and_wait(runtime::Exec& exec, const runtime::ExecTarget& target,
                             const runtime::SignalWatch& signals) {
    const auto start = Clock::now();
    const auto kills_before = cgroups::oom_killed(target.cgroup);
    runtime::Running running = TRY(exec.perform(), who_);
    if (exec.plan().stage.traced) print_error(trace(exec.plan(), steps_, Clock::now() - start));
    if (exec.plan().detached) {
      TRY(exec.leave(), who_);
      return 0;
    }
    runtime::Supervision supervision;
    supervision.signals = signals.fd();
    supervision.terminal = config_.terminal;
    supervision.first_process = false;
    supervision.grace = std::chrono::seconds(record_.grace);
    runtime::Ending ending = TRY(runtime::supervise(running, supervision), "running a command in ", record_.id);
    if (ending.status != 128 + SIGKILL) return report(ending, who_);
    // The limit is the container's, so that one counts, and there may have been kills before.
    const auto kills = cgroups::oom_killed(target.cgroup);
    if (kills && kills_before && kills->count > kills_before->count) ending.oom = *kills;
    const int status = report(ending, who_);
    if (!ending.oom && ending.told_to_stop_by == 0 && runtime::ends_in_a_moment(target))
      print_error(cat("ERROR: ", who_, ": the process ended, and the command with it\n"));
    return status;
  }

  const Invocation& invocation_;
  const Containers& containers_;
  const runtime::Listed& container_;
  const runtime::Record& record_;
  std::string who_;
  runtime::ContainerConfig config_;
  std::vector<Traced> steps_;
};

Result<int> exec(const Invocation& invocation) {
  const Containers containers = TRY(open_containers(invocation));
  const runtime::Listed found = TRY(containers.find_or_service(invocation, invocation.arguments[0]));
  TRY(runtime::check_running(found));
  return ExecCommand(invocation, containers, found).perform();
}

constexpr Option kOptions[] = {
    kAppOption,
    {"env", 0, "NAME=VALUE", "Set a variable beside the container's own; NAME alone takes the caller's.", true},
    {"user", 0, "user[:group]", "Run as this user of the image; otherwise as the container's."},
    {"workdir", 0, "path", "Start in this directory; otherwise in the container's."},
    {"detach", 'd', {}, "Leave it to itself as soon as it runs; its output goes nowhere.", false, true},
    {"explain", 0, {}, "Print what would be done, step by step, and do nothing."},
    {"trace", 0, {}, "Print each step and how long it took, on standard error."},
};

}  // namespace

const Command kExec = {.name = "exec",
                       .arguments = "<process or service> <command>",
                       .summary = "run a command in a container that runs",
                       .description =
                           "Runs the command beside what runs there, in the same namespaces and under the same limits\n"
                           "and confinement, with your input, output and signals. A service is its oldest process.\n"
                           "What the command started ends with it, and all of it if this convox is killed.\n"
                           "The exit status is the command's: 128 + N if signal N killed it, 127 if it was not found,\n"
                           "126 if it could not be executed, 125 if convox itself failed.\n"
                           "Options may follow the command; `--` ends them.",
                       .options = kOptions,
                       .minimum = 2,
                       .maximum = Command::kAny,
                       .pass_through = true,
                       .run = exec};

}  // namespace convox::cli
