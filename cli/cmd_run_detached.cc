#include "cli/cmd_run_detached.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <charconv>

#include "cli/ending_view.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/shell_words.h"
#include "cli/text.h"
#include "cli/times.h"
#include "runtime/detach.h"
#include "runtime/ending.h"
#include "runtime/retention.h"
#include "runtime/signals.h"

namespace convox::cli {
namespace {

constexpr std::string_view kOnlyDetached[] = {"id", "tty", "restart", "rm", "retain", "log-size"};
constexpr std::int64_t kLogSize = 100;  // megabytes

Result<std::int64_t> log_size(const Invocation& invocation) {
  const std::int64_t megabytes = TRY(invocation.number("log-size")).value_or(kLogSize);
  if (megabytes < 1 || megabytes > 1 << 20) return invalid("--log-size must be from 1 to 1048576");
  return megabytes << 20;
}

Result<> complete(runtime::Record& record, const Invocation& invocation) {
  record.detached = true;
  record.remove = invocation.flag("rm");
  record.restart = invocation.value("restart").value_or("no");
  record.log_size = TRY(log_size(invocation));
  if (const auto timeout = invocation.value("timeout")) record.timeout = TRY(parse_duration(*timeout), "--timeout");
  return ok();
}

// What an attached run would say of such an end; the status is the container's, or that of --timeout.
int report_end(const std::optional<log::Exit>& exit, int status, const std::string& service) {
  runtime::Ending ending;
  ending.status = status;
  if (exit) {
    ending.timed_out = exit->timed_out != 0;
    ending.oom = {exit->oom_kills, exit->oom_at_limit != 0, {}};
    if (exit->memory_limit > 0) ending.oom.limit = exit->memory_limit;
  }
  return report(ending, service);
}

// Waits for our child, the keeper or its minder, which ends with the container's status. `exit_file` says more.
Result<int> wait_for_end(const runtime::Containers& containers, const runtime::Host& host, const UniqueFd& child,
                         int signals, const std::string& id, const std::string& service, const UniqueFd& exit_file) {
  for (;;) {
    pollfd fds[2] = {{child.get(), POLLIN, 0}, {signals, POLLIN, 0}};
    const long ready = sys::ppoll(fds, 2, nullptr);
    if (ready == -EINTR) continue;
    TRY(check(ready, "ppoll", ""));
    if (fds[0].revents) break;
    // No longer waited for; it goes on.
    if (const int signal = runtime::next_signal(signals); runtime::asks_to_end(signal)) return 128 + signal;
  }
  siginfo_t info{};
  TRY(check(sys::waitid(P_PIDFD, child.get(), &info, WEXITED), "waitid", ""));
  const auto reaped = TRY(containers.reap(host.cgroups));
  if (reaped.error) warn(reaped.error->text);
  std::optional<log::Exit> exit;
  if (exit_file) exit = TRY(runtime::exit_in(exit_file));
  if (info.si_code == CLD_EXITED) return report_end(exit, info.si_status, service);
  return invalid(cat("the status of process ", id, " is unknown: its keeper was killed"));
}

}  // namespace

Result<> check_detached_flags(const Invocation& invocation) {
  if (!invocation.flag("detach")) {
    for (const std::string_view flag : kOnlyDetached)
      if (invocation.value(flag)) return invalid(cat("--", flag, " needs --detach"));
    return ok();
  }
  if (invocation.flag("trace")) return invalid("--trace shows an attached start: leave out --detach");
  if (const auto policy = invocation.value("restart")) TRY(runtime::parse_restart(*policy));
  const bool again = invocation.value("restart").value_or("no") != "no";
  if (again && invocation.flag("wait")) return invalid("--wait waits for one end, and --restart makes many");
  TRY(log_size(invocation));
  return ok();
}

Result<int> run_detached(const Invocation& invocation, const runtime::Containers& containers, UniqueFd layers,
                         const runtime::Host& host, const RunConfig& run) {
  const runtime::SignalWatch signals = TRY(runtime::SignalWatch::start());
  const auto reaped = TRY(containers.reap(host.cgroups), "looking for what a killed convox left");
  if (reaped.error) warn(reaped.error->text);
  // What cannot be swept now must not keep anybody from running anything.
  if (reaped.count > 0)
    if (const auto swept = runtime::sweep_app(containers, host.cgroups, run.config.app, now() / kSecond); !swept)
      warn(swept.error().text);
  const std::string& service = run.config.service;
  const std::vector<std::string> command(invocation.arguments.begin() + 1, invocation.arguments.end());
  const Progress progress(invocation.flag("id") ? Progress::Where::kError : Progress::Where::kOutput);
  const std::string boot_id = TRY(runtime::read_boot_id());

  runtime::Claim claim = TRY(containers.claim_new());
  runtime::ContainerConfig config = run.config;
  config.id = claim.id;
  name_host(config);
  runtime::Record record = record_of(config, run, command, boot_id);
  TRY(complete(record, invocation));
  TRY(progress.begin(cat("Running `", escaped(command_line(command)), "` on ", service)));
  runtime::Detached detached{containers, host, claim, std::move(config), std::move(record)};
  auto child = runtime::start_detached(detached, signals.fd());
  if (!child) {
    Result<int> failed = std::move(child).error().under(cat("starting ", service));
    return after_removal(std::move(failed), containers.dispose(claim, host.cgroups));
  }
  layers.reset();  // the record names them now
  const std::string id = claim.id;
  // With --rm its files may go before we can look; or are gone by now.
  UniqueFd exit_file;
  if (const auto storage = containers.storage(id))
    if (auto opened = runtime::open_exit(storage->get())) exit_file = std::move(*opened);
  claim.directory.reset();  // the keeper has it
  // From here on a failure of ours must not hide that it runs, nor as what.
  const std::string running = cat("process ", id, " runs, but");
  TRY(progress.done(), running);
  if (invocation.flag("id"))
    TRY(print(id), running);
  else
    print_error(cat("Process: ", id, "\n"));
  if (!invocation.flag("wait")) return 0;
  return wait_for_end(containers, host, child->pidfd, signals.fd(), id, service, exit_file);
}

namespace {

// convox @again ID DESCRIPTOR
Result<int> again(const Invocation& invocation) {
  const runtime::SignalWatch signals = TRY(runtime::SignalWatch::start());
  const std::string& id = invocation.arguments[0];
  int fd = -1;
  const std::string& text = invocation.arguments[1];
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), fd);
  if (parsed.ec != std::errc() || fd < 3) return invalid("this command is for convox itself");
  const runtime::Host host = TRY(runtime::read_host());
  rootfs::Store store = TRY(rootfs::Store::open(invocation.globals.root));
  const runtime::Containers containers = TRY(runtime::Containers::open(invocation.globals.run, std::move(store)));
  const runtime::Claim claim = TRY(containers.adopt(id, fd));
  return runtime::after_end(containers, host, claim, signals.fd());
}

}  // namespace

const Command kAgain = {
    .name = runtime::kAgain, .arguments = "<id> <descriptor>", .summary = {}, .minimum = 2, .maximum = 2, .run = again};

}  // namespace convox::cli
