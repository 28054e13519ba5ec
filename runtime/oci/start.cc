// How does a created container start?
//
// By a connection to its gate, which becomes the report socket: what fails from there on is said to us, and the end of
// file is the execve. Only the holder of the claim connects, so nobody is second.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "runtime/base/fs.h"
#include "runtime/oci/end.h"
#include "runtime/oci/hooks.h"
#include "runtime/oci/launch.h"
#include "runtime/oci/notify_socket.h"
#include "runtime/oci/outlets.h"
#include "runtime/oci/words.h"
#include "runtime/unix_socket.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kLongestStart = 60s;  // and the time limits of its hooks
constexpr const char* kGate = "gate";

Error has_stopped() { return invalid("cannot start a container that has stopped"); }

Result<Config> config_of(const States& states, const State& state) {
  const std::string text = TRY(states.config(state.id));
  return read_config(text);
}

struct Incoming {
  std::optional<stage::Report> report;  // nothing: end of file
  UniqueFd descriptor;
};

Result<Incoming> receive(const UniqueFd& connection, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left <= 0ms) return Error{Error::Kind::kSystem, ETIMEDOUT, "it did not start in time", {}};
    pollfd fd{connection.get(), POLLIN, 0};
    timespec timeout{left.count() / 1000, left.count() % 1000 * 1'000'000};
    const long ready = sys::ppoll(&fd, 1, &timeout);
    if (ready == -EINTR || ready == 0) continue;
    TRY(check(ready, "ppoll", ""));
    Incoming incoming;
    stage::Report report;
    iovec data{&report, sizeof report};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const long got = sys::recvmsg(connection.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got == -EINTR || got == -EAGAIN) continue;
    if (got == 0 || got == -ECONNRESET) return incoming;
    TRY(check(got, "recvmsg", "from the stage"));
    if (got != sizeof report) return invalid("the stage sent a packet of the wrong size");
    if (const cmsghdr* part = CMSG_FIRSTHDR(&message); part && part->cmsg_type == SCM_RIGHTS) {
      int fd_number = -1;
      std::memcpy(&fd_number, CMSG_DATA(part), sizeof fd_number);
      incoming.descriptor = UniqueFd(fd_number);
    }
    incoming.report = report;
    return incoming;
  }
}

Error failure(const stage::Report& report, const Config& config) {
  const Errno error(-report.error);
  const std::string command = config.process && !config.process->args.empty() ? config.process->args[0] : "";
  if (report.deed == deed_number<stage::Execute>() || report.deed == deed_number<stage::FindCommand>()) {
    if (command.empty()) return invalid("the container has no process: config.json has none");
    return command_error(command, error);
  }
  if (report.deed == deed_number<stage::RunHook>())
    return invalid(cat("startContainer hook: ", report.detail ? status_text(report.detail) : lower_words(error)));
  return Error{Error::Kind::kSystem, error.value, cat("step ", report.step, ": ", lower_words(error)), {}};
}

// Until the payload runs.
Result<> follow(const UniqueFd& connection, const Config& config, const State& state, const Outlets& outlets) {
  auto deadline = Clock::now() + kLongestStart;
  for (const Hook& hook : config.hooks.start_container)
    deadline += hook.timeout == 0 ? 24h : std::chrono::seconds(hook.timeout);
  bool ready = false;
  for (;;) {
    const Incoming incoming = TRY(receive(connection, deadline));
    if (!incoming.report) break;
    const stage::Report& report = *incoming.report;
    if (report.kind == stage::Report::kFailed) return failure(report, config);
    if (report.kind == stage::Report::kListener) TRY(send_listener(outlets, incoming.descriptor, state, state.pid));
    ready |= report.kind == stage::Report::kReady;
  }
  if (!ready) return invalid("it ended before its command ran");
  return ok();
}

}  // namespace

Result<> start(const States& states, const Claim& claim, State& state, const Outlets& outlets) {
  const auto process = TRY(find_process(state));
  if (!process) return has_stopped();
  const int directory = claim.directory.get();
  if (sys::faccessat2(directory, kGate, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
    return invalid("cannot start an already running container");
  const Config config = TRY(config_of(states, state));
  if (!config.process) return invalid("cannot start a container without a process: config.json has none");

  const char* manager = state.notify_socket ? std::getenv("NOTIFY_SOCKET") : nullptr;
  UniqueFd notify;
  if (manager) notify = TRY(listen_for_ready(directory));

  auto connection = runtime::connect_at(directory, kGate, SOCK_SEQPACKET);
  if (!connection && connection.error().code == ECONNREFUSED) return has_stopped();
  const UniqueFd gate = TRY(std::move(connection));
  sys::unlinkat(directory, kGate, 0);
  state.started = true;
  TRY(states.write(claim, state));
  TRY(follow(gate, config, state, outlets));
  TRY(after_start(config, state, *process));
  return manager ? relay_ready(notify, manager, *process, state.pid) : ok();
}

Result<> after_start(const Config& config, const State& state, const UniqueFd& process) {
  if (config.hooks.poststart.empty()) return ok();
  Result<> ran = run_hooks(config.hooks.poststart, "poststart", state_json(state, Status::kRunning), state.bundle);
  if (!ran) sys::pidfd_send_signal(process.get(), SIGKILL);  // since runtime-spec 1.3 its failure is the container's
  return ran;
}

}  // namespace convox::oci
