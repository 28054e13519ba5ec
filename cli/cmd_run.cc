#include "cli/cmd_run.h"

#include <algorithm>
#include <chrono>
#include <ctime>

#include "cli/app/run_source.h"
#include "cli/cmd_run_detached.h"
#include "cli/ending_view.h"
#include "cli/explain_view.h"
#include "cli/limit_flags.h"
#include "cli/output.h"
#include "cli/run_config.h"
#include "cli/shell_words.h"
#include "cli/times.h"
#include "runtime/containers.h"
#include "runtime/launch.h"
#include "runtime/security/seccomp.h"
#include "runtime/supervisor.h"

namespace convox::cli {
namespace {

// --explain of a detached start: who performs it, and what becomes of that process.
constexpr std::string_view kThenTheKeeper = R"(
With --detach all of this is done by a launcher, a fork of convox in the cgroup convox/@keepers. At last, on the host:
      become the keeper: drop all capabilities but KILL, load its own filter, say that it runs
      only a parent can wait for the container's first process, and execve keeps the children.  execveat(2)
)";

using Clock = std::chrono::steady_clock;

Result<app::RunSource> find_source(const Invocation& invocation) {
  app::RunRequest request;
  request.root = invocation.globals.root;
  request.app = invocation.value("app");
  request.manifest = invocation.value("manifest");
  request.release = invocation.value("release");
  request.service = invocation.arguments[0];
  request.may_build = !invocation.flag("no-build");
  request.explain = invocation.flag("explain");
  request.progress = [](std::string_view line) { print_error(cat(line, "\n")); };
  app::RunSource source = TRY(app::run_source(request));
  for (const std::string& note : source.notes) warn(note);
  return source;
}

Result<runtime::LaunchPlan> make_plan(const runtime::ContainerConfig& config, const runtime::Host& host,
                                      int filter_cache) {
  std::string filter;
  if (config.seccomp) filter = TRY(security::filter_program(config.capabilities, filter_cache));
  return runtime::plan_launch(config, host, filter);
}

class Run {
 public:
  // `layers` is the shared lock of the store, which keeps the image's layers until a record names them.
  Run(const Invocation& invocation, runtime::Containers containers, UniqueFd layers, runtime::Host host,
      const RunConfig& run)
      : invocation_(invocation),
        containers_(std::move(containers)),
        layers_(std::move(layers)),
        host_(std::move(host)),
        run_(run),
        config_(run.config) {}

  Result<int> perform() {
    // Before the first side effect: a signal from here on is a message, and the answer to it is the same undo as to an
    // error.
    const runtime::SignalWatch signals = TRY(runtime::SignalWatch::start());
    // What cannot be removed now must not keep anybody from running anything.
    const auto reaped = TRY(containers_.reap(host_.cgroups), "looking for what a killed convox left");
    if (reaped.error) warn(reaped.error->text);
    const runtime::Claim claim = TRY(containers_.claim_new());
    config_.id = claim.id;
    name_host(config_);
    Result<int> result = start_and_wait(claim, signals);
    Result<> disposed = containers_.dispose(claim, host_.cgroups, kept() ? &record_ : nullptr);
    return after_removal(std::move(result), std::move(disposed));
  }

 private:
  Result<int> start_and_wait(const runtime::Claim& claim, const runtime::SignalWatch& signals) {
    const auto start = Clock::now();
    const UniqueFd cache = TRY(containers_.filter_cache());
    runtime::LaunchPlan plan = TRY(make_plan(config_, host_, cache.get()), "starting ", config_.service);
    plan.stage.traced = invocation_.flag("trace");
    std::vector<Traced> steps;
    runtime::StepDone done;
    if (plan.stage.traced) done = [&](std::size_t number, auto duration) { steps.push_back({number, duration}); };

    const std::vector<std::string> command(invocation_.arguments.begin() + 1, invocation_.arguments.end());
    const std::string boot_id = TRY(runtime::read_boot_id());
    runtime::Launch launch(plan, containers_, claim, host_.cgroups, record_of(plan.config, run_, command, boot_id),
                           signals.fd(), done);
    runtime::Running running = TRY(launch.perform(), "starting ", config_.service);
    record_ = launch.record();
    record_.phase = runtime::Phase::kStopped;
    record_.status = runtime::kUnknownStatus;  // until it is known
    layers_.reset();                           // held while the command runs, it would keep gc waiting for days
    if (plan.stage.traced) print_error(trace(plan, steps, Clock::now() - start));

    runtime::Supervision supervision;
    supervision.signals = signals.fd();
    supervision.terminal = config_.terminal;
    supervision.stop_signal = run_.stop_signal;
    supervision.grace = std::chrono::seconds(run_.grace);
    if (const auto timeout = invocation_.value("timeout"))
      supervision.timeout = std::chrono::nanoseconds(TRY(parse_duration(*timeout), "--timeout"));
    const runtime::Ending ending = TRY(runtime::supervise(running, supervision), "running ", config_.service);
    const int status = report(ending, config_.service);
    record_.status = status;
    return status;
  }

  // Only what ran has anything to keep.
  [[nodiscard]] bool kept() const { return config_.keep && record_.phase == runtime::Phase::kStopped; }

  const Invocation& invocation_;
  runtime::Containers containers_;
  UniqueFd layers_;
  runtime::Host host_;
  const RunConfig& run_;
  runtime::ContainerConfig config_;
  runtime::Record record_;  // once it has ended
};

Result<int> explain_run(const Invocation& invocation, const app::RunSource& source, RunConfig run,
                        const runtime::Host& host) {
  run.config.id = "<id>";
  name_host(run.config);
  const runtime::LaunchPlan plan = TRY(make_plan(run.config, host, -1));
  std::string text = explain(plan, cat("convox run ", shell_quoted(invocation.arguments)), source.needs_import);
  if (invocation.flag("detach")) text += kThenTheKeeper;
  TRY(print(text));
  return 0;
}

Result<int> run(const Invocation& invocation) {
  TRY(check_detached_flags(invocation));
  if (const auto timeout = invocation.value("timeout")) TRY(parse_duration(*timeout), "--timeout");
  const runtime::Host host = TRY(runtime::read_host());
  TRY(runtime::check_host(host));
  if (invocation.flag("explain")) {
    const app::RunSource source = TRY(find_source(invocation));
    RunConfig config = TRY(make_run_config(invocation, source, host));
    return explain_run(invocation, source, std::move(config), host);
  }
  rootfs::Store store = TRY(rootfs::Store::open(invocation.globals.root));
  // Shared until the record names the layers: no sweep may take them in between.
  UniqueFd lock = TRY(store.lock(rootfs::Store::Lock::kShared));
  const app::RunSource source = TRY(find_source(invocation));
  const RunConfig config = TRY(make_run_config(invocation, source, host));
  for (const std::string& warning : config.warnings) warn(warning);
  runtime::Containers containers = TRY(runtime::Containers::open(invocation.globals.run, std::move(store)));
  if (invocation.flag("detach")) return run_detached(invocation, containers, std::move(lock), host, config);
  return Run(invocation, std::move(containers), std::move(lock), host, config).perform();
}

Result<int> gc(const Invocation& invocation) {
  const runtime::Host host = TRY(runtime::read_host());
  if (host.no_cgroups) return *host.no_cgroups;
  rootfs::Store store = TRY(rootfs::Store::open(invocation.globals.root));
  const auto containers = TRY(runtime::Containers::open(invocation.globals.run, std::move(store)));
  const auto reaped = TRY(containers.reap(host.cgroups));
  const auto storage = TRY(containers.sweep_storage(invocation.flag("kept")));
  std::vector<std::string> in_use;
  for (const runtime::Record& record : TRY(containers.list()))
    in_use.insert(in_use.end(), record.layers.begin(), record.layers.end());
  const auto swept = TRY(containers.store().collect_garbage(in_use));
  TRY(print(cat("Removed ", reaped.count + storage.count, " containers, ", swept.layers, " layers and ",
                swept.temporaries, " temporaries\n")));
  for (const auto* part : {&reaped, &storage})
    if (part->error) return *part->error;
  return 0;
}

constexpr Option kRunOptions[] = {
    kAppOption,
    {"release", 0, "id", "Run this release; otherwise the active one."},
    {"manifest", 'm', "file", "Read this file instead of convox.yml.", false, true},
    {"no-build", 0, {}, "Fail where the app has no release yet, instead of making the first one."},
    {"entrypoint",
     'e',
     {},
     "Put the image's entrypoint in front of the command (on; --entrypoint=false).",
     false,
     true},
    {"env", 0, "NAME=VALUE", "Set a variable; NAME alone takes the caller's.", true},
    {"user", 0, "user[:group]", "Run as this user of the image."},
    {"workdir", 0, "path", "Start in this directory."},
    {"timeout", 't', "duration", "Stop it after so many seconds, or 1h30m."},
    kCpuOption,
    kCpuLimitOption,
    kMemoryOption,
    kMemoryLimitOption,
    kPidsLimitOption,
    {"volume", 0, "host-or-name:path[:ro]", "Mount a directory or file of the host, or a volume of the app.", true},
    {"use-service-volume", 0, {}, "Also mount the service's volumeOptions."},
    {"read-only", 0, {}, "Mount the root file system read-only."},
    {"network", 0, "bridge|none|host", "bridge (the default): the app's network; none: lo alone; host: the host's."},
    {"publish", 'p', "[ip:]port:port[/udp]", "Lead a port of the host to one of the container.", true, true},
    {"publish-all", 'P', {}, "Publish what convox.yml says under ports and balancers.", false, true},
    {"userns", 0, "host", "Without a user namespace: root inside is root outside."},
    {"privileged", 0, {}, "Without confinement."},
    {"cap-add", 0, "capability", "Add a capability, or ALL.", true},
    {"cap-drop", 0, "capability", "Drop a capability, or ALL.", true},
    {"keep", 0, {}, "Keep its files and record when it has ended."},
    {"detach", 'd', {}, "Run it in the background; its output goes to the logs, its id to standard error."},
    {"id", 0, {}, "With --detach: print the id alone on standard output, all else on standard error."},
    {"wait", 'w', {}, "With --detach: wait until it has ended; the exit status is the command's."},
    {"tty", 0, {}, "With --detach: give it a terminal."},
    {"restart", 0, "policy",
     "With --detach: no, on-failure, on-failure:N or always, with a growing pause before each."},
    {"rm", 0, {}, "With --detach: remove its files and record at its end; its logs stay."},
    {"retain", 0, {}, "With --detach: keep it when it has ended (the default)."},
    {"log-size", 0, "MB", "With --detach: keep so much of its output, the latest; 100 if not given."},
    {"explain", 0, {}, "Print what would be done, step by step, and do nothing."},
    {"trace", 0, {}, "Print each step and how long it took, on standard error."},
};
constexpr Option kGcOptions[] = {{"kept", 0, {}, "Also remove containers that were run with --keep."}};

}  // namespace

const Command kRun = {.name = "run",
                      .arguments = "<service> <command>",
                      .summary = "run a command in a new container",
                      .description =
                          "Runs the command in a new container of the service, with your input, output and signals.\n"
                          "The exit status is the command's: 128 + N if signal N killed it, 127 if it was not found,\n"
                          "126 if it could not be executed, 124 after --timeout, 125 if convox itself failed.\n"
                          "Options may follow the command; `--` ends them.",
                      .options = kRunOptions,
                      .minimum = 2,
                      .maximum = Command::kAny,
                      .pass_through = true,
                      .run = run};
const Command kGc = {.name = "gc",
                     .arguments = "",
                     .summary = "remove what crashed commands left and images nobody needs",
                     .options = kGcOptions,
                     .run = gc};

}  // namespace convox::cli
