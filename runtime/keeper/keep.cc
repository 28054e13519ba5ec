// How does a keeper keep its container?
//
// One epoll over what can happen: the payload writes, the payload ends, its time is up. Once it has said that it is
// ready nothing may end it but the payload's end, for its death is the payload's: no answer of a disk, a reader or a
// terminal is fatal here.  epoll(7), pidfd_open(2), cgroup-v2 "cgroup.kill"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

#include "runtime/base/signal_sets.h"
#include "runtime/keeper/keeper.h"
#include "runtime/keeper/log.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

namespace convox::keeper {
namespace {

char buffer[log::kLargestRecord];  // static: more than the stack should hold, and no heap

// What is left after the end: a pipe of 1 MiB, the most that fs.pipe-max-size allows by default, is empty after 16
// reads, a terminal after fewer than this. Not "until it is empty": somebody else may hold and fill it.  pipe(7)
constexpr int kLastReads = 64;

// The number behind "\n<key> " in a file of the kernel's, or 0.
std::uint64_t value_of(std::string_view text, std::string_view key) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at) < text.size() ? text.find('\n', at) : text.size();
    std::string_view line(text.data() + at, end - at);
    at = end + 1;
    if (!line.starts_with(key)) continue;
    std::uint64_t value = 0;
    for (line.remove_prefix(key.size()); !line.empty() && line[0] >= '0' && line[0] <= '9'; line.remove_prefix(1))
      value = value * 10 + static_cast<std::uint64_t>(line[0] - '0');
    return value;
  }
  return 0;
}

class Keeper {
 public:
  explicit Keeper(const Keep& plan) noexcept
      : plan_(plan),
        log_(plan),
        streams_{{plan.console >= 0 ? plan.console : plan.output, log::Kind::kOutput},
                 {plan.error_output, log::Kind::kError}} {}

  Errno prepare() noexcept;
  [[noreturn]] void run() noexcept;

 private:
  enum Source : std::uint32_t { kOutput, kErrorOutput, kPayload, kTimer };
  enum class Phase { kRunning, kStopping, kKilled };
  struct Stream {
    int fd = -1;
    log::Kind kind = log::Kind::kOutput;
  };

  Errno wait_for(int fd, Source source) const noexcept;
  bool take_output(Stream& stream) noexcept;
  void close(Stream& stream) const noexcept;
  void on_timer() noexcept;
  Errno set_timer(std::int64_t nanoseconds) const noexcept;
  void kill() noexcept;
  [[noreturn]] void on_end() noexcept;
  void read_status(log::Exit& exit) const noexcept;
  void read_memory(log::Exit& exit) const noexcept;
  std::string_view read_file(int fd) const noexcept;

  const Keep plan_;
  Log log_;
  Stream streams_[2];
  int epoll_ = -1, timer_ = -1, slave_ = -1;
  Phase phase_ = Phase::kRunning;
  bool timed_out_ = false;
};

// All that can fail, or that the filter will not allow.
Errno Keeper::prepare() noexcept {
  // A child whose parent ignores SIGCHLD vanishes at its end, and its status with it.  sigaction(2)
  const struct { unsigned long handler = 0, flags = 0, restorer = 0, mask = 0; } by_default;
  if (const long rc = sys::rt_sigaction(SIGCHLD, &by_default, nullptr); rc < 0) return Errno(rc);
  epoll_ = static_cast<int>(sys::epoll_create1(EPOLL_CLOEXEC));
  if (epoll_ < 0) return Errno(epoll_);
  timer_ = static_cast<int>(sys::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (timer_ < 0) return Errno(timer_);
  if (plan_.console >= 0) {
    // A master without a slave reads EIO. That is no end: an init closes its terminal and opens /dev/console again. So
    // one slave is ours, until there is nobody left who could open another.  ioctl_tty(2)
    slave_ = static_cast<int>(sys::ioctl(plan_.console, TIOCGPTPEER, long{O_RDWR | O_NOCTTY | O_CLOEXEC}));
    if (slave_ < 0) return Errno(slave_);
  }
  for (std::uint32_t i = 0; i < 2; ++i) {
    if (streams_[i].fd < 0) continue;
    const long flags = sys::fcntl(streams_[i].fd, F_GETFL);
    if (flags < 0) return Errno(flags);
    if (const long rc = sys::fcntl(streams_[i].fd, F_SETFL, flags | O_NONBLOCK); rc < 0) return Errno(rc);
    if (const Errno error = wait_for(streams_[i].fd, static_cast<Source>(i)); error) return error;
  }
  if (const Errno error = wait_for(plan_.payload, kPayload); error) return error;
  if (const Errno error = wait_for(timer_, kTimer); error) return error;
  return plan_.timeout > 0 ? set_timer(plan_.timeout) : Errno();
}

Errno Keeper::wait_for(int fd, Source source) const noexcept {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = source;
  return Errno(sys::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event));
}

void Keeper::run() noexcept {
  for (;;) {
    epoll_event events[4];
    const long count = sys::epoll_wait(epoll_, events, 4, -1);
    for (long i = 0; i < count; ++i) switch (events[i].data.u32) {
        case kPayload:
          on_end();
        case kTimer:
          on_timer();
          break;
        default:
          take_output(streams_[events[i].data.u32]);
      }
  }
}

// One read is one record. False if there is no more, now or ever: the payload may close its outputs and live on. A pipe
// ends with 0, a terminal without slaves with EIO.
bool Keeper::take_output(Stream& stream) noexcept {
  if (stream.fd < 0) return false;
  long got = 0;
  do got = sys::read(stream.fd, buffer, sizeof buffer);
  while (got == -EINTR);
  if (got > 0) {
    log_.record(stream.kind, buffer, static_cast<std::size_t>(got));
    return true;
  }
  if (got == 0 || (got == -EIO && stream.fd == plan_.console)) close(stream);
  return false;
}

// Taken out of the epoll first: it holds the open file, which may live on in another process and would be reported for
// ever.  epoll(7), "Questions and answers"
void Keeper::close(Stream& stream) const noexcept {
  sys::epoll_ctl(epoll_, EPOLL_CTL_DEL, stream.fd, nullptr);
  sys::close(stream.fd);
  stream.fd = -1;
}

// 0 would disarm it.  timerfd_create(2)
Errno Keeper::set_timer(std::int64_t nanoseconds) const noexcept {
  const std::int64_t wait = nanoseconds > 0 ? nanoseconds : 1;
  const itimerspec when{{}, {wait / 1'000'000'000, wait % 1'000'000'000}};
  return Errno(sys::timerfd_settime(timer_, 0, &when, nullptr));
}

// First the timeout: a signal and the time to answer it, or the kill at once if it would not even notice. Then the end
// of that time. Whoever cannot be killed is waited for: there is nothing else to do.
void Keeper::on_timer() noexcept {
  std::uint64_t expirations = 0;
  if (sys::read(timer_, &expirations, sizeof expirations) < 0) return;
  timed_out_ = true;
  const int signal = static_cast<int>(plan_.stop_signal);
  if (phase_ == Phase::kStopping || !handles_or_blocks(read_file(plan_.status), signal)) return kill();
  phase_ = Phase::kStopping;
  sys::pidfd_send_signal(plan_.payload, signal);
  if (set_timer(plan_.grace)) kill();
}

// Everything in it at once, forks in progress included; with PID 1 the namespace dies anyway.
void Keeper::kill() noexcept {
  phase_ = Phase::kKilled;
  if (sys::write(plan_.cgroup_kill, "1", 1) != 1) sys::pidfd_send_signal(plan_.payload, SIGKILL);
}

// First what it still had to say, then the status where it is kept whatever the disk says, then the word of it in the
// log. At last the claim is given up with our own end, so that whoever finds it free finds the status too.
void Keeper::on_end() noexcept {
  log::Exit exit{.magic = log::kExitMagic};
  read_status(exit);
  if (slave_ >= 0) sys::close(slave_);
  for (Stream& stream : streams_)
    for (int reads = 0; reads < kLastReads && take_output(stream); ++reads) {
    }
  read_memory(exit);
  exit.timed_out = timed_out_;
  exit.time = log_.now();
  sys::pwrite(plan_.exit, &exit, sizeof exit, 0);
  sys::fdatasync(plan_.exit);
  log_.record(log::Kind::kEnded, &exit, sizeof exit);
  sys::exit_group(exit.signal != 0 ? 128 + exit.signal : exit.code);  // for a parent that waits (--wait)
}

void Keeper::read_status(log::Exit& exit) const noexcept {
  siginfo_t info{};
  long rc = 0;
  do rc = sys::waitid(P_PIDFD, plan_.payload, &info, WEXITED);
  while (rc == -EINTR);
  exit.code = rc == 0 && info.si_code == CLD_EXITED ? info.si_status : -1;
  exit.signal = rc == 0 && info.si_code != CLD_EXITED ? info.si_status : 0;
}

// `oom` counts how often the group was out of memory at its own limit; `oom_kill` also what died because the whole
// machine was.  cgroup-v2, "memory.events"
void Keeper::read_memory(log::Exit& exit) const noexcept {
  const std::string_view events = read_file(plan_.memory_events);
  exit.oom_kills = value_of(events, "oom_kill ");
  exit.oom_at_limit = value_of(events, "oom ");
  exit.memory_limit = value_of(read_file(plan_.memory_max), "");  // "max" is no number
}

// From its start: pread makes the kernel write it anew.
std::string_view Keeper::read_file(int fd) const noexcept {
  const long got = fd < 0 ? 0 : sys::pread(fd, buffer, sizeof buffer, 0);
  return {buffer, got > 0 ? static_cast<std::size_t>(got) : 0};
}

}  // namespace

Errno keep(Block& block) noexcept {
  const Plan& plan = block.plan();
  const Keep& keep = plan.keep;
  const int kept[] = {keep.payload,       keep.status,     keep.output, keep.error_output, keep.console,
                      keep.cgroup_kill,   keep.memory_max, keep.claim,  keep.exit,         keep.logs,
                      keep.memory_events, keep.segment,    keep.ready};
  if (const Errno error = close_all_but(kept, sizeof kept / sizeof *kept); error) return error;
  if (const Errno error = block_signals(); error) return error;
  Keeper keeper(keep);
  if (const Errno error = keeper.prepare(); error) return error;
  // Signals to the container's processes, whose ids are others than root's.
  if (const Errno error = drop_capabilities(std::uint64_t{1} << CAP_KILL); error) return error;
  const int ready = keep.ready;
  if (const Errno error = load_filter(block.bytes(plan.filter.at, plan.filter.size)); error) return error;
  if (ready >= 0) {
    sys::write(ready, "", 1);
    sys::close(ready);
  }
  keeper.run();
}

}  // namespace convox::keeper
