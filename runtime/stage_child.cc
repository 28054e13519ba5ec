#include "runtime/stage_child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <cstring>

#include "cgroups/stats.h"
#include "runtime/base/fs.h"
#include "runtime/sealed.h"
#include "runtime/send_descriptors.h"
#include "runtime/signals.h"
#include "runtime/stage_image.h"

namespace convox::runtime {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// A start takes milliseconds. A machine that swaps may need seconds; a container's root that stops its own stage needs
// for ever.
constexpr auto kLongestStart = 60s;
constexpr auto kLastMoments = 1s;

}  // namespace

StageChild::StageChild(const StagePlan& plan, std::size_t first, std::size_t number, Expected expected, int signals,
                       StepDone done)
    : plan_(plan),
      first_(first),
      number_(static_cast<std::uint32_t>(number)),
      expected_(std::move(expected)),
      signals_(signals),
      done_(std::move(done)) {
  start_clock();
}

void StageChild::start_clock() { deadline_ = Clock::now() + kLongestStart + longer_; }

Expected expected_of(const ContainerConfig& config) {
  return {
      .terminal = config.terminal, .terminal_size = config.terminal_size, .new_user_namespace = config.namespaces.user};
}

void StageChild::give_up() {
  if (!child_.pidfd) return;
  sys::pidfd_send_signal(child_.pidfd.get(), SIGKILL);
  reap(child_.pidfd);
  child_.pidfd.reset();
}

// Says at which step it failed. What the stage reported names its own step; a broken socket is a stage that failed:
// what it said before is the reason, or else how it died.
Error StageChild::blame(Error error, std::size_t number, std::string_view deed) {
  if (socket_ && (error.code == EPIPE || error.code == ECONNRESET)) error = why_it_ended();
  if (error.kind == Error::Kind::kInterrupted || reported_) return error;
  if (expected_.explain) return std::move(error).under(deed);
  return std::move(error).under(cat("step ", number, " of ", size(), ", ", deed));
}

Error StageChild::why_it_ended() {
  for (;;) {
    Result<Incoming> incoming = receive();
    if (!incoming) return std::move(incoming).error();
    if (!incoming->report) return ended_early();
  }
}

// The payload never gets a descriptor of the user's: through a terminal of ours it could type into our shell, and a
// shared file offset or O_NONBLOCK would be the user's too. It gets pipes, or what the stage opens inside.
Result<> StageChild::open_stdio(const OpenStdio& step, std::uint32_t owner) {
  if (step.by_stage) {
    for (UniqueFd& end : stdio_) end = TRY(fs::open("/dev/null", O_RDWR));
    return ok();
  }
  UniqueFd* ours[3] = {&running_.input, &running_.output, &running_.error_output};
  for (int i = 0; i < 3; ++i) {
    int ends[2] = {-1, -1};
    TRY(check(sys::pipe2(ends, O_CLOEXEC), "pipe2", ""));
    const int child_end = i == 0 ? 0 : 1;  // it reads the first and writes the others
    stdio_[i] = UniqueFd(ends[child_end]);
    *ours[i] = UniqueFd(ends[1 - child_end]);
    TRY(check(sys::fchown(ends[0], owner, owner), "fchown", "a pipe"));  // or nobody inside could pass it on
    // The supervisor never waits for one stream alone. Whoever has the other end does not see this.
    TRY(check(sys::fcntl(ours[i]->get(), F_SETFL, O_NONBLOCK), "fcntl", "a pipe"));
  }
  return ok();
}

Result<> StageChild::seal(const SealPrograms& step) {
  const bool newer = step.executable_flag;
  stage_ = TRY(sealed("convox-stage", stage_image(), true, newer));
  stage_plan_ = TRY(sealed("convox-plan", plan_.bytes(static_cast<std::uint32_t>(first_)), false, newer));
  return ok();
}

Result<> StageChild::clone(const Birth& birth, const cgroups::Cgroup* cgroup) {
  int ends[2] = {-1, -1};
  TRY(check(sys::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair", ""));
  socket_ = UniqueFd(ends[0]);
  const UniqueFd childs_socket(ends[1]);
  cgroup_ = cgroup;
  joins_ = birth.join >= 0;
  ChildStart start;
  start.socket = childs_socket.get();
  start.stage = stage_.get();
  start.plan = stage_plan_.get();
  for (int i = 0; i < 3; ++i) start.stdio[i] = stdio_[i].get();
  start.preserved = expected_.preserved;
  start.step = number_;
  child_ = TRY(memory_.clone(birth, cgroup ? cgroup->fd() : -1, start));
  // Ours of the child's ends are closed at once: only then is the end of the child the end of file. Its own copies of
  // the table are its own, for CLONE_FILES was not asked for.
  for (UniqueFd& end : stdio_) end.reset();
  return ok();
}

// The next packet of the stage, or its end of file. Returns early for a signal, the deadline, and the stage's death.
Result<StageChild::Incoming> StageChild::receive() {
  for (;;) {
    pollfd fds[2] = {{socket_.get(), POLLIN, 0}, {signals_, POLLIN, 0}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
    if (left <= 0ms) return Error{Error::Kind::kSystem, ETIMEDOUT, "it did not start within 60 seconds", {}};
    timespec timeout{left.count() / 1000, left.count() % 1000 * 1'000'000};
    const long ready = sys::ppoll(fds, 2, &timeout);
    if (ready == -EINTR || ready == 0) continue;
    TRY(check(ready, "ppoll", ""));
    // The socket comes first: if it says that there is a payload, the signal is for that, and stays where it is. The
    // others mean a container, and there is none yet: `fg` sends SIGCONT, and a new size is asked for again later.
    if (!fds[0].revents) {
      if (const int signal = next_signal(signals_); asks_to_end(signal))
        return Error{Error::Kind::kInterrupted, signal, cat("interrupted by signal ", signal, " while starting"), {}};
      continue;
    }

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

Error StageChild::failure(const stage::Report& report) const {
  const Errno error(-report.error);
  if (report.step < first_) {  // the child, before it executed the stage
    return os_error(joins_ ? "join the container" : "execute the stage", "", error)
        .under(cat("step ", report.step, " of ", size()));
  }
  const std::size_t index = report.step - first_;
  if (index >= plan_.steps().size()) return invalid("the stage reported a step that the plan does not have");
  if (expected_.explain) return expected_.explain(plan_.steps()[index], plan_, error, report.detail);
  return explain_failure(plan_.steps()[index], plan_, error, report.detail, expected_.new_user_namespace && !joins_)
      .under(cat("step ", report.step, " of ", size(), ", ", words(plan_.steps()[index], plan_).deed));
}

// End of file without a report: the stage died, or will have in a moment, for a process closes its descriptors before
// it can be waited for. Its status says of what; a memory limit that not even the stage fits in is named.
Error StageChild::ended_early() const {
  pollfd end{child_.pidfd.get(), POLLIN, 0};
  timespec patience{kLastMoments.count(), 0};
  sys::ppoll(&end, 1, &patience);
  siginfo_t info{};
  const long rc = sys::waitid(P_PIDFD, child_.pidfd.get(), &info, WEXITED | WNOWAIT | WNOHANG);
  if (cgroup_)
    if (const auto kills = cgroups::oom_killed(*cgroup_); kills && *kills)
      return Error{Error::Kind::kSystem, ENOMEM, cgroups::describe(*kills, "the stage"), {}};
  std::string how = "it ended without a word";
  if (rc == 0 && info.si_pid != 0)
    how = info.si_code == CLD_EXITED ? cat("exit status ", info.si_status) : cat("killed by signal ", info.si_status);
  return Error{Error::Kind::kSystem, ECHILD, cat("the stage died before the command ran: ", how), {}};
}

Result<> StageChild::go() {
  const char go = 1;
  TRY(check(sys::write(socket_.get(), &go, 1), "write", "to the child"));
  return ok();
}

Result<> StageChild::await_hello() {
  Incoming hello = TRY(receive());
  if (!hello.report) return ended_early();
  if (hello.report->kind != stage::Report::kHello) return invalid("the stage did not say hello");
  return ok();
}

Result<> StageChild::hand_over(const std::vector<UniqueFd>& slots) {
  int fds[stage::kMaxSlots];
  const std::size_t count = slots.size();
  if (count > stage::kMaxSlots) return invalid("more mounts than one packet carries");
  for (std::size_t i = 0; i < count; ++i) fds[i] = slots[i].get();
  TRY(send_descriptors(socket_.get(), std::string_view("\0", 1), fds, count), "to the stage");
  return ok();
}

Result<> StageChild::await_hooks() {
  start_clock();
  for (;;) {
    Incoming incoming = TRY(receive());
    if (!incoming.report) return ended_early();
    if (incoming.report->kind == stage::Report::kAtHooks) return ok();
    TRY(take(std::move(incoming)));
  }
}

// What may come at any time, and comes with a descriptor.
Result<> StageChild::take(Incoming incoming) {
  if (incoming.report->kind == stage::Report::kConsole) {
    running_.console = std::move(incoming.descriptor);
    TRY(check(sys::fcntl(running_.console.get(), F_SETFL, O_NONBLOCK), "fcntl", "the terminal"));
    if (expected_.terminal_size) TRY(set_terminal_size(running_.console.get(), *expected_.terminal_size));
  }
  if (incoming.report->kind == stage::Report::kListener && expected_.on_listener)
    TRY(expected_.on_listener(incoming.descriptor));
  return ok();
}

// The stage closes its end once it has said so. One that dies before it is killed by somebody who did not want it.
Result<> StageChild::await_created() {
  start_clock();
  bool created = false;
  for (;;) {
    Incoming incoming = TRY(receive());
    if (!incoming.report) break;
    created |= incoming.report->kind == stage::Report::kCreated;
    TRY(take(std::move(incoming)));
  }
  if (!created) return ended_early();
  if (expected_.terminal && !running_.console) return invalid("the stage sent no terminal");
  return ok();
}

// Until execve closes the socket. `ready` came before the filter; after it, end of file means execve, unless the filter
// killed the stage (SIGSYS) or forbade the packet that would have told of a failed execve (the reserved status).
Result<> StageChild::await_payload() {
  start_clock();
  bool ready = false;
  for (;;) {
    Incoming incoming = TRY(receive());
    if (!incoming.report) break;
    ready |= incoming.report->kind == stage::Report::kReady;
    TRY(take(std::move(incoming)));
  }
  if (!ready) return ended_early();
  if (expected_.terminal && !running_.console) return invalid("the stage sent no terminal");
  siginfo_t info{};
  const long rc = sys::waitid(P_PIDFD, child_.pidfd.get(), &info, WEXITED | WNOWAIT | WNOHANG);
  if (rc == 0 && info.si_pid != 0 && info.si_code != CLD_EXITED && info.si_status == SIGSYS)
    return Error{Error::Kind::kSystem, EPERM, "the seccomp filter killed the execve of the command", {}};
  return ok();
}

Running StageChild::release() {
  running_.pidfd = std::move(child_.pidfd);
  running_.pid = child_.pid;
  return std::move(running_);
}

}  // namespace convox::runtime
