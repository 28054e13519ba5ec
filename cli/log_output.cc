#include "cli/log_output.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

namespace convox::cli {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

Error over(std::string_view why) { return Error{Error::Kind::kInterrupted, 0, std::string(why), {}}; }

}  // namespace

Result<LogOutput> LogOutput::start() {
  LogOutput made(TRY(runtime::SignalWatch::start()));
  made.end_ = runtime::StreamEnd::of_user(STDOUT_FILENO, O_WRONLY);
  return made;
}

Result<> LogOutput::check_signals() {
  while (const int signal = runtime::next_signal(signals_.fd()))
    if (runtime::asks_to_end(signal)) return over("a signal");
  return ok();
}

bool LogOutput::put_slowly(std::string_view prefix, std::string_view text) {
  for (std::string_view part : {prefix, text, std::string_view("\n")})
    while (!part.empty()) {
      if (used_ == kSize) failed_ = flush();
      if (!failed_) return false;
      const std::size_t size = std::min(part.size(), kSize - used_);
      std::memcpy(buffer_.get() + used_, part.data(), size);
      used_ += size;
      part.remove_prefix(size);
    }
  return true;
}

Result<> LogOutput::flush() {
  if (!failed_) return failed_;
  for (std::size_t at = 0; at < used_;) {
    TRY(check_signals());
    const long put = end_.write(buffer_.get() + at, used_ - at);
    if (put == -EPIPE) return over("nobody reads");
    if (put == -EAGAIN) {
      pollfd waits[] = {{end_.fd(), POLLOUT, 0}, {signals_.fd(), POLLIN, 0}};
      sys::ppoll(waits, 2, nullptr);
    } else if (put != -EINTR) {
      TRY(check(put, "write", "standard output"));
      at += static_cast<std::size_t>(put);
    }
  }
  used_ = 0;
  return ok();
}

Result<> LogOutput::wait(int fd, int other, std::int64_t nanoseconds) {
  pollfd waits[] = {{signals_.fd(), POLLIN, 0}, {end_.fd(), 0, 0}, {fd, POLLIN, 0}, {other, POLLIN, 0}};
  timespec limit{nanoseconds / kSecond, nanoseconds % kSecond};
  const long ready = sys::ppoll(waits, 4, nanoseconds < 0 ? nullptr : &limit);
  if (ready != -EINTR) TRY(check(ready, "ppoll", ""));
  if (ready > 0 && waits[1].revents) return over("nobody reads");  // POLLERR: the pipe has no reader any more
  return check_signals();
}

}  // namespace convox::cli
