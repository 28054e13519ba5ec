#include "runtime/launch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cstring>

#include "cgroups/stats.h"
#include "runtime/signals.h"
#include "runtime/words.h"

namespace convox::runtime {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// A launch takes milliseconds. A machine that swaps may need seconds; a container's root that stops its own stage needs
// for ever.
constexpr auto kLongestLaunch = 60s;
constexpr auto kLastMoments = 1s;

}  // namespace

Launch::Launch(const LaunchPlan& plan, const Containers& containers, const Claim& claim,
               const cgroups::Hierarchy& hierarchy, Record record, int signals, StepDone done)
    : plan_(plan),
      containers_(containers),
      claim_(claim),
      hierarchy_(hierarchy),
      record_(std::move(record)),
      signals_(signals),
      done_(std::move(done)),
      deadline_(Clock::now() + kLongestLaunch),
      mounts_(slots_of(plan.config).first_volume) {}

Launch::~Launch() {
  if (helper_) reap(helper_);
  if (!child_.pidfd) return;
  sys::pidfd_send_signal(child_.pidfd.get(), SIGKILL);
  reap(child_.pidfd);
}

Result<Running> Launch::perform() {
  TRY(perform_all(plan_.before, 1));
  TRY(perform_all(plan_.meanwhile, plan_.first_meanwhile()));
  running_.pidfd = std::move(child_.pidfd);
  running_.pid = child_.pid;
  running_.cgroup = std::move(cgroup_);
  return std::move(running_);
}

Result<> Launch::perform_all(const std::vector<HostStep>& steps, std::size_t first) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto start = Clock::now();
    Result<> result = std::visit([&](const auto& step) { return perform(step); }, steps[i]);
    if (!result && socket_ && (result.error().code == EPIPE || result.error().code == ECONNRESET))
      result = why_it_ended();
    if (!result) {
      // A failure that the stage reported already names its own step.
      if (result.error().kind == Error::Kind::kInterrupted || reported_) return result;
      return std::move(result).error().under(cat("step ", first + i, " of ", plan_.size(), ", ", words(steps[i]).deed));
    }
    if (done_) done_(first + i, Clock::now() - start);
  }
  return ok();
}

// A stage that failed is a broken socket to us: what it said before is the reason, or else how it died.
Error Launch::why_it_ended() {
  for (;;) {
    Result<Incoming> incoming = receive();
    if (!incoming) return std::move(incoming).error();
    if (!incoming->report) return ended_early();
  }
}

// The next packet of the stage, or its end of file. Returns early for a signal, the deadline, and the stage's death.
Result<Launch::Incoming> Launch::receive() {
  for (;;) {
    pollfd fds[2] = {{socket_.get(), POLLIN, 0}, {signals_, POLLIN, 0}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
    if (left <= 0ms) return Error{Error::Kind::kSystem, ETIMEDOUT, "the container did not start within 60 seconds", {}};
    timespec timeout{left.count() / 1000, left.count() % 1000 * 1'000'000};
    const long ready = sys::ppoll(fds, 2, &timeout);
    if (ready == -EINTR || ready == 0) continue;
    TRY(check(ready, "ppoll", ""));
    // The others mean a container, and there is none yet: `fg` sends SIGCONT, and a new size is asked for again later.
    if (const int signal = fds[1].revents ? next_signal(signals_) : 0; asks_to_end(signal))
      return Error{Error::Kind::kInterrupted, signal, cat("interrupted by signal ", signal, " while starting"), {}};
    if (!fds[0].revents) continue;

    Incoming incoming;
    stage::Report report;
    iovec data{&report, sizeof report};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const long got = sys::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    // ECONNRESET, once: it ended with a packet of ours unread. What it had said before stands in the queue still.
    if (got == -EINTR || got == -EAGAIN || got == -ECONNRESET) continue;
    if (got == 0) return incoming;
    TRY(check(got, "recvmsg", "from the stage"));
    if (got != sizeof report) return invalid("the stage sent a packet of the wrong size");
    if (const cmsghdr* part = CMSG_FIRSTHDR(&message); part && part->cmsg_type == SCM_RIGHTS) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
      incoming.descriptor = UniqueFd(fd);
    }
    if (report.kind == stage::Report::kStepDone) {
      if (done_) done_(report.step, std::chrono::nanoseconds(report.nanoseconds));
      continue;
    }
    if (report.kind == stage::Report::kFailed) {
      reported_ = true;
      return failure(report);
    }
    incoming.report = report;
    return incoming;
  }
}

Error Launch::failure(const stage::Report& report) const {
  const Errno error(-report.error);
  const std::size_t first = plan_.first_of_stage();
  if (report.step < first) {  // the child, before it executed the stage
    return os_error("execute the stage", "", error).under(cat("step ", report.step, " of ", plan_.size()));
  }
  const std::size_t index = report.step - first;
  if (index >= plan_.stage.steps().size()) return invalid("the stage reported a step that the plan does not have");
  return explain_failure(plan_, index, error, static_cast<stage::Difference>(report.detail))
      .under(
          cat("step ", report.step, " of ", plan_.size(), ", ", words(plan_.stage.steps()[index], plan_.stage).deed));
}

// End of file without a report: the stage died, or will have in a moment, for a process closes its descriptors before
// it can be waited for. Its status says of what; a memory limit that not even the stage fits in is named.
Error Launch::ended_early() const {
  pollfd end{child_.pidfd.get(), POLLIN, 0};
  timespec patience{kLastMoments.count(), 0};
  sys::ppoll(&end, 1, &patience);
  siginfo_t info{};
  const long rc = sys::waitid(P_PIDFD, child_.pidfd.get(), &info, WEXITED | WNOWAIT | WNOHANG);
  if (const auto kills = cgroups::oom_killed(*cgroup_); kills && *kills)
    return Error{Error::Kind::kSystem, ENOMEM, cgroups::describe(*kills, "the stage"), {}};
  std::string how = "it ended without a word";
  if (rc == 0 && info.si_pid != 0)
    how = info.si_code == CLD_EXITED ? cat("exit status ", info.si_status) : cat("killed by signal ", info.si_status);
  return Error{Error::Kind::kSystem, ECHILD, cat("the stage died before the command ran: ", how), {}};
}

Result<> Launch::perform(const AwaitStage&) {
  Incoming hello = TRY(receive());
  if (!hello.report) return ended_early();
  if (hello.report->kind != stage::Report::kHello) return invalid("the stage did not say hello");
  return ok();
}

// Until execve closes the socket. `ready` came before the filter; after it, end of file means execve, unless the filter
// killed the stage (SIGSYS) or forbade the packet that would have told of a failed execve (the reserved status).
Result<> Launch::perform(const AwaitPayload&) {
  bool ready = false;
  for (;;) {
    Incoming incoming = TRY(receive());
    if (!incoming.report) break;
    if (incoming.report->kind == stage::Report::kConsole) {
      running_.console = std::move(incoming.descriptor);
      TRY(check(sys::fcntl(running_.console.get(), F_SETFL, O_NONBLOCK), "fcntl", "the terminal"));
      if (const auto size = plan_.config.terminal_size) TRY(set_terminal_size(running_.console.get(), *size));
    }
    if (incoming.report->kind == stage::Report::kReady) ready = true;
  }
  if (!ready) return ended_early();
  if (plan_.config.terminal && !running_.console) return invalid("the stage sent no terminal");
  siginfo_t info{};
  const long rc = sys::waitid(P_PIDFD, child_.pidfd.get(), &info, WEXITED | WNOWAIT | WNOHANG);
  if (rc == 0 && info.si_pid != 0 && info.si_code != CLD_EXITED && info.si_status == SIGSYS)
    return Error{Error::Kind::kSystem, EPERM, "the seccomp filter killed the execve of the command", {}};
  if (helper_) reap(helper_);  // it has long ended
  helper_.reset();
  record_.phase = Phase::kRunning;
  record_.pid = child_.pid;
  return containers_.write(claim_, record_);
}

}  // namespace convox::runtime
