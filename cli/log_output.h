// How do many lines get to standard output, fast, without waiting for a reader that does not read?
//
// Lines are gathered in one large buffer. It is written through a description of our own that does not block
// (runtime/stream.h), so that Ctrl-C is answered even while a pager has stopped reading. A reader that went away, and a
// signal that asks to end, are no failures but the end: Error::Kind::kInterrupted.
#pragma once
#include <cstring>
#include <memory>
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/signals.h"
#include "runtime/stream.h"

namespace convox::cli {

class LogOutput {
 public:
  static Result<LogOutput> start();

  // One line: its parts and a newline. False: see flush().
  bool put(std::string_view prefix, std::string_view text) {
    if (kSize - used_ <= prefix.size() + text.size()) return put_slowly(prefix, text);
    char* to = buffer_.get() + used_;
    std::memcpy(to, prefix.data(), prefix.size());
    std::memcpy(to + prefix.size(), text.data(), text.size());
    to[prefix.size() + text.size()] = '\n';
    used_ += prefix.size() + text.size() + 1;
    return true;
  }
  // Writes what was put, or says why a put before could not be.
  Result<> flush();

  // Waits until one of the two is readable (or has hung up), or `nanoseconds` are over (negative: for ever). The end is
  // what it is to flush().
  Result<> wait(int fd, int other, std::int64_t nanoseconds);

 private:
  static constexpr std::size_t kSize = 512 << 10;
  explicit LogOutput(runtime::SignalWatch signals) : signals_(std::move(signals)) {}
  bool put_slowly(std::string_view prefix, std::string_view text);
  Result<> check_signals();

  runtime::SignalWatch signals_;
  runtime::StreamEnd end_;
  std::unique_ptr<char[]> buffer_{new char[kSize]};
  std::size_t used_ = 0;
  Result<> failed_ = ok();
};

}  // namespace convox::cli
