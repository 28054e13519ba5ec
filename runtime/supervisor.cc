#include "runtime/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "runtime/base/fs.h"
#include "runtime/stream.h"
#include "runtime/terminal.h"

namespace convox::runtime {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// From SIGKILL to the end. A process deep in the kernel, on a disk that does not answer, does not die.
constexpr auto kDying = 10s;
// How long an output that nobody takes is held for its reader, after a container that was stopped.
constexpr auto kDelivery = 5s;

class Supervisor {
 public:
  Supervisor(Running& running, const Supervision& options) : running_(running), options_(options) {
    auto input = StreamEnd::of_user(STDIN_FILENO, O_RDONLY);
    auto output = StreamEnd::of_user(STDOUT_FILENO, O_WRONLY);
    if (options_.terminal) {
      input_ = Stream(std::move(input), StreamEnd(running_.console.get()));
      output_ = Stream(StreamEnd(running_.console.get()), std::move(output));
      // A master without a slave reads EIO. That is no end: an init closes its terminal and opens /dev/console again.
      // So one slave is ours, until there is nobody left who could open another. The kernel opens it beside the master,
      // in the container's devpts.  ioctl_tty(2)
      slave_ = UniqueFd(sys::ioctl(running_.console.get(), TIOCGPTPEER, long{O_RDWR | O_NOCTTY | O_CLOEXEC}));
    } else if (running_.output) {  // else it has the user's own
      input_ = Stream(std::move(input), StreamEnd(running_.input.get()), &running_.input);
      output_ = Stream(StreamEnd(running_.output.get()), std::move(output), &running_.output);
      error_output_ = Stream(StreamEnd(running_.error_output.get()), StreamEnd::of_user(STDERR_FILENO, O_WRONLY),
                             &running_.error_output);
      if (is_terminal(STDIN_FILENO)) input_.close();  // of a job in the background: not ours to read
    }
    if (options_.timeout) deadline_ = Clock::now() + std::chrono::ceil<Clock::duration>(*options_.timeout);
  }

  Result<Ending> run() {
    take_terminal();
    while (!ended() || delivering()) {
      std::array<pollfd, 5> fds = {pollfd{options_.signals, POLLIN, 0},
                                   {ended() ? -1 : running_.pidfd.get(), POLLIN, 0},
                                   in_background_ ? pollfd{-1, 0, 0} : input_.waits(),
                                   output_.waits(),
                                   error_output_.waits()};
      std::optional<timespec> timeout = time_left();
      const long ready = sys::ppoll(fds.data(), fds.size(), timeout ? &*timeout : nullptr);
      if (ready != -EINTR) TRY(check(ready, "ppoll", ""));
      if (fds[0].revents) on_signal();
      if (fds[2].revents && !in_background_) on_input(fds[2].revents);
      if (fds[3].revents) on_output(output_);
      if (fds[4].revents) on_output(error_output_);
      if (fds[1].revents) TRY(on_end());
      if (deadline_ && Clock::now() >= *deadline_) TRY(on_deadline());
    }
    for (const Stream* stream : {&input_, &output_, &error_output_})
      if (!ending_.broken_stream) ending_.broken_stream = stream->error();
    return ending_;
  }

 private:
  // What the deadline is of.
  enum class Phase { kRunning, kStopping, kKilled, kEnded };

  [[nodiscard]] bool ended() const { return phase_ == Phase::kEnded; }
  [[nodiscard]] bool delivering() const { return output_.open() || error_output_.open(); }

  [[nodiscard]] std::optional<timespec> time_left() const {
    if (!deadline_) return std::nullopt;
    const auto left = std::max(std::chrono::ceil<std::chrono::nanoseconds>(*deadline_ - Clock::now()), 0ns);
    return timespec{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
  }

  void on_input(short events) {
    const bool was_open = input_.open();
    input_.move();
    if (from_terminal_ && was_open && (!input_.open() || (events & POLLHUP))) hang_up();
  }

  void on_output(Stream& stream) {
    if (ended()) return stream.finish();
    stream.move();
    if (options_.terminal && stream.refused()) {
      hang_up();
      slave_.reset();
      running_.console.reset();  // whoever still writes to it gets EIO instead of waiting for a reader
    }
  }

  // The user's terminal went away, or whatever the output leads to: what a shell would say to its jobs then. (A pipe's
  // writer learns of it by SIGPIPE.)
  void hang_up() {
    input_.close();
    stop(SIGHUP);
  }

  // At the start, which may have taken long enough for another size, and whenever a shell continues us: with `fg` the
  // terminal is ours again, with `bg` it stays the shell's. A stop in between (SIGSTOP) we cannot see.
  void take_terminal() {
    if (!options_.terminal) return;
    in_background_ = !in_foreground(STDIN_FILENO);
    if (in_background_) return;
    raw_.enter();
    follow_size();
  }

  void follow_size() {
    if (const auto size = users_terminal_size(); size && running_.console)
      (void)set_terminal_size(running_.console.get(), *size);
  }

  void on_signal() {
    const int signal = next_signal(options_.signals);
    if (signal == 0) return;
    if (signal == SIGWINCH) return follow_size();
    if (signal == SIGCONT) take_terminal();
    if (asks_to_end(signal) && ended()) return abandon();  // nobody takes its output
    if (asks_to_end(signal) && !options_.forwards) return stop(signal);
    sys::pidfd_send_signal(running_.pidfd.get(), signal);
  }

  void stop(int signal) {
    if (ending_.told_to_stop_by == 0) ending_.told_to_stop_by = signal;
    request(signal);
  }

  // Tells it to stop and gives it time, or kills it at once if it would not even notice.
  void request(int signal) {
    if (phase_ > Phase::kStopping) return;
    if (options_.first_process && !answers(running_.pid, signal)) return kill();
    sys::pidfd_send_signal(running_.pidfd.get(), signal);
    if (phase_ == Phase::kRunning) enter(Phase::kStopping, options_.grace);
  }

  // Everything in it at once, forks in progress included; with PID 1 the namespace dies anyway.
  void kill() {
    enter(Phase::kKilled, kDying);
    if (!running_.cgroup || !running_.cgroup->kill()) sys::pidfd_send_signal(running_.pidfd.get(), SIGKILL);
  }

  void abandon() {
    output_.close();
    error_output_.close();
  }

  void enter(Phase phase, std::optional<std::chrono::seconds> limit) {
    phase_ = phase;
    deadline_.reset();
    if (limit) deadline_ = Clock::now() + *limit;
  }

  Result<> on_deadline() {
    switch (phase_) {
      case Phase::kRunning:
        ending_.timed_out = true;
        request(options_.stop_signal);
        break;
      case Phase::kStopping:
        kill();
        break;
      case Phase::kKilled:
        return Error{Error::Kind::kSystem, ETIMEDOUT,
                     cat("process ", running_.pid, " still lives ", kDying.count(), " seconds after SIGKILL"),
                     cat("see what it waits for in /proc/", running_.pid, "/stack")};
      case Phase::kEnded:
        abandon();
        break;
    }
    return ok();
  }

  Result<> on_end() {
    siginfo_t info{};
    TRY(check(sys::waitid(P_PIDFD, running_.pidfd.get(), &info, WEXITED), "waitid", ""));
    ending_.status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    if (running_.cgroup)
      if (auto kills = cgroups::oom_killed(*running_.cgroup)) ending_.oom = *kills;
    // Processes that it left would go on writing, and this would go on reading.
    if (!options_.first_process && running_.cgroup) (void)running_.cgroup->kill();
    const bool stopped = ending_.timed_out || ending_.told_to_stop_by != 0;
    enter(Phase::kEnded, stopped ? std::optional(kDelivery) : std::nullopt);
    slave_.reset();
    input_.close();
    output_.finish();
    error_output_.finish();
    return ok();
  }

  Running& running_;
  const Supervision& options_;
  Stream input_, output_, error_output_;
  UniqueFd slave_;
  RawTerminal raw_{STDIN_FILENO};
  const bool from_terminal_ = options_.terminal && is_terminal(STDIN_FILENO);  // convox-oci also relays a file or pipe
  bool in_background_ = false;                                                 // of the shell whose terminal it is
  Ending ending_;
  std::optional<Clock::time_point> deadline_;
  Phase phase_ = Phase::kRunning;
};

}  // namespace

Result<Ending> supervise(Running& running, const Supervision& supervision) {
  return Supervisor(running, supervision).run();
}

}  // namespace convox::runtime
