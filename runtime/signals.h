// Which signals does an attached convox answer, and which of them ask it to end?
//
// All are blocked and read from a descriptor: then none can come between two steps of a launch and leave half of it
// behind.  signalfd(2)
#pragma once
#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::runtime {

class SignalWatch {
 public:
  static Result<SignalWatch> start();
  // All signals that one process may send to another for the container's sake: not those that the kernel sends for what
  // we do ourselves, nor those of job control, which stop us too.
  static Result<SignalWatch> start_all();
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  explicit SignalWatch(UniqueFd fd) : fd_(std::move(fd)) {}
  static Result<SignalWatch> start(unsigned long mask);
  UniqueFd fd_;
};

// The next signal of a SignalWatch, or 0.
int next_signal(int watch);

// INT, TERM, HUP, QUIT. The others (USR1, USR2, ALRM, CONT, WINCH) are for the container, once there is one.
bool asks_to_end(int signal);

// Does the container's PID 1 do anything at all when it gets this signal? base/signal_sets.h says why one asks.
bool answers(int pid, int signal);

}  // namespace convox::runtime
