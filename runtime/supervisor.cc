#include "runtime/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "runtime/base/fs.h"
#include "runtime/terminal.h"

namespace convox::runtime {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// A write of this size to a pipe that poll calls writable does not block: pipe(7), "PIPE_BUF".
constexpr std::size_t kSafeWrite = 4096;

// One direction of one stream. Reads only when what it read before is written, so a slow reader slows the writer, and
// nothing is ever dropped.
class Stream {
 public:
  Stream() = default;
  Stream(int from, int to, UniqueFd* closed_at_end) : from_(from), to_(to), closes_(closed_at_end) {}

  [[nodiscard]] bool open() const { return from_ >= 0; }
  [[nodiscard]] bool holds() const { return begin_ < end_; }
  // Why it ended early, if not because somebody went away.
  [[nodiscard]] Errno error() const { return error_; }
  [[nodiscard]] pollfd waits() const {
    if (!open() && !holds()) return {-1, 0, 0};
    return holds() ? pollfd{to_, POLLOUT, 0} : pollfd{from_, POLLIN, 0};
  }

  // After poll said that `waits()` is ready. False when the source had nothing, or has ended.
  bool move() { return holds() ? write() : open() && read() && write(); }
  void close() {
    from_ = -1;
    begin_ = end_ = 0;
    if (closes_) closes_->reset();
  }

 private:
  bool read() {
    const long got = sys::read(from_, buffer_.data(), buffer_.size());
    if (got == -EAGAIN || got == -EINTR) return false;
    if (got <= 0) {
      end(got);
      return false;
    }
    begin_ = 0;
    end_ = static_cast<std::size_t>(got);
    return true;
  }
  bool write() {
    pollfd ready{to_, POLLOUT, 0};
    timespec now{};
    if (sys::ppoll(&ready, 1, &now) != 1) return true;
    const long put = sys::write(to_, buffer_.data() + begin_, std::min(end_ - begin_, kSafeWrite));
    if (put == -EAGAIN || put == -EINTR) return true;
    if (put < 0) {
      end(put);
      return false;
    }
    begin_ += static_cast<std::size_t>(put);
    return true;
  }

  // The writer shall know that nobody reads any more (SIGPIPE), and the reader that nobody writes. That somebody went
  // away, or that a directory or a descriptor of the wrong kind cannot be read, is an end like any other. Of another
  // error the user must hear: half of an output looks like the whole of it.
  void end(long result) {
    const Errno ends[] = {Errno(-EPIPE), Errno(-EIO), Errno(-ECONNRESET), Errno(-EISDIR), Errno(-EBADF)};
    const Errno error(result);
    if (std::find(std::begin(ends), std::end(ends), error) == std::end(ends)) error_ = error;
    close();
  }

  int from_ = -1, to_ = -1;
  Errno error_;
  UniqueFd* closes_ = nullptr;  // our end of the container's stream
  std::array<char, 65536> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

// Does the container's PID 1 do anything at all when it gets this signal? The kernel drops a signal to a PID 1 that has
// no handler for it; waiting for such a one to stop would be waiting for nothing.  pid_namespaces(7), "The namespace
// init process"
bool answers(int pid, int signal) {
  const auto status = fs::read(AT_FDCWD, cat("/proc/", pid, "/status"), 65536);
  if (!status) return false;
  const std::uint64_t wanted = std::uint64_t{1} << (signal - 1);
  for (const std::string_view key : {"\nSigCgt:\t", "\nSigBlk:\t"}) {  // our own init waits for signals that it blocks
    const std::size_t at = status->find(key);
    std::uint64_t set = 0;
    if (at == std::string::npos) continue;
    for (std::size_t i = at + key.size(); i < status->size() && (*status)[i] != '\n'; ++i)
      set = set << 4 | static_cast<std::uint64_t>((*status)[i] <= '9' ? (*status)[i] - '0' : (*status)[i] - 'a' + 10);
    if (set & wanted) return true;
  }
  return false;
}

class Supervisor {
 public:
  Supervisor(Running& running, const Supervision& options) : running_(running), options_(options) {
    if (options_.terminal) {
      input_ = Stream(STDIN_FILENO, running_.console.get(), nullptr);
      output_ = Stream(running_.console.get(), STDOUT_FILENO, nullptr);
    } else {
      input_ = Stream(STDIN_FILENO, running_.input.get(), &running_.input);
      output_ = Stream(running_.output.get(), STDOUT_FILENO, &running_.output);
      error_output_ = Stream(running_.error_output.get(), STDERR_FILENO, &running_.error_output);
    }
    if (options_.timeout) deadline_ = Clock::now() + std::chrono::ceil<Clock::duration>(*options_.timeout);
  }

  Result<Ending> run() {
    follow_size();  // it may have changed during the start
    while (!ended_ || delivering()) {
      std::array<pollfd, 5> fds = {pollfd{options_.signals, POLLIN, 0},
                                   {ended_ ? -1 : running_.pidfd.get(), POLLIN, 0},
                                   ended_ ? pollfd{-1, 0, 0} : input_.waits(),
                                   output_.waits(),
                                   error_output_.waits()};
      std::optional<timespec> timeout = time_left();
      const long ready = sys::ppoll(fds.data(), fds.size(), timeout ? &*timeout : nullptr);
      if (ready != -EINTR) TRY(check(ready, "ppoll", ""));
      if (ready == 0) on_deadline();
      if (fds[0].revents) on_signal();
      if (fds[2].revents) on_input(fds[2].revents);
      for (Stream* stream : {&output_, &error_output_})
        if (fds[stream == &output_ ? 3 : 4].revents || ended_) {
          if (!stream->move() && ended_) stream->close();  // everything that it wrote has been read
        }
      if (fds[1].revents) TRY(on_end());
    }
    for (const Stream* stream : {&input_, &output_, &error_output_})
      if (!ending_.broken_stream) ending_.broken_stream = stream->error();
    return ending_;
  }

 private:
  [[nodiscard]] bool delivering() const {
    return !abandoned_ && (output_.open() || output_.holds() || error_output_.open() || error_output_.holds());
  }

  [[nodiscard]] std::optional<timespec> time_left() const {
    if (!deadline_ || ended_) return std::nullopt;
    const auto left = std::max(std::chrono::ceil<std::chrono::nanoseconds>(*deadline_ - Clock::now()), 0ns);
    return timespec{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
  }

  void on_input(short events) {
    const bool was_open = input_.open();
    input_.move();
    // The terminal went away: what a shell would say to its jobs then.
    if (options_.terminal && was_open && (!input_.open() || (events & POLLHUP))) {
      input_.close();
      stop(SIGHUP);
    }
  }

  void follow_size() {
    if (const auto size = users_terminal_size(); size && running_.console)
      (void)set_terminal_size(running_.console.get(), *size);
  }

  void on_signal() {
    const int signal = next_signal(options_.signals);
    if (signal == 0) return;
    if (signal == SIGWINCH) return follow_size();
    if (!asks_to_end(signal)) {
      sys::pidfd_send_signal(running_.pidfd.get(), signal);
      return;
    }
    if (ended_) abandoned_ = true;  // it has ended, and nobody takes its output
    stop(signal);
  }

  // Tells it to stop and gives it time, or kills it at once if it would not even notice.
  void stop(int signal) {
    if (ended_) return;
    if (ending_.told_to_stop_by == 0) ending_.told_to_stop_by = signal;
    if (!answers(running_.pid, signal)) return kill();
    sys::pidfd_send_signal(running_.pidfd.get(), signal);
    if (!stopping_) deadline_ = Clock::now() + options_.grace;
    stopping_ = true;
  }

  void on_deadline() {
    if (stopping_) return kill();
    ending_.timed_out = true;
    stopping_ = true;
    deadline_ = Clock::now() + options_.grace;
    if (!answers(running_.pid, SIGTERM)) return kill();
    sys::pidfd_send_signal(running_.pidfd.get(), SIGTERM);
  }

  // Everything in it at once, forks in progress included; with PID 1 the namespace dies anyway.
  void kill() {
    deadline_.reset();
    if (!running_.cgroup || !running_.cgroup->kill()) sys::pidfd_send_signal(running_.pidfd.get(), SIGKILL);
  }

  Result<> on_end() {
    siginfo_t info{};
    TRY(check(sys::waitid(P_PIDFD, running_.pidfd.get(), &info, WEXITED), "waitid", ""));
    ended_ = true;
    ending_.status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    if (running_.cgroup) {
      auto kills = cgroups::oom_killed(*running_.cgroup);
      if (kills) ending_.oom = *kills;
    }
    return ok();
  }

  Running& running_;
  const Supervision& options_;
  Stream input_, output_, error_output_;
  Ending ending_;
  std::optional<Clock::time_point> deadline_;
  bool ended_ = false, stopping_ = false, abandoned_ = false;
};

}  // namespace

Result<Ending> supervise(Running& running, const Supervision& supervision) {
  std::optional<RawTerminal> raw;
  if (supervision.terminal) raw.emplace(TRY(RawTerminal::enter(STDIN_FILENO)));
  return Supervisor(running, supervision).run();
}

}  // namespace convox::runtime
