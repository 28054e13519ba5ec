// Who carries input, output, signals and the terminal's size between the user and an attached container, until it ends?
//
// One loop over poll(2): the container's pidfd, our signals, the user's descriptors and the container's. poll and not
// epoll, because the user's input may be a regular file, which epoll refuses. After the start nothing in here may be
// fatal: an error on one stream closes that stream. Read next: stream.h.
#pragma once
#include <signal.h>

#include <chrono>
#include <optional>

#include "cgroups/stats.h"
#include "runtime/launch.h"
#include "runtime/signals.h"

namespace convox::runtime {

struct Supervision {
  int signals = -1;                                 // signalfd of SignalWatch
  bool first_process = true;                        // PID 1: what it leaves behind ends with it
  bool forwards = false;                            // every signal is the container's, none asks us to end it
  bool terminal = false;                            // input is the user's terminal, and Running::console ours
  std::optional<std::chrono::nanoseconds> timeout;  // for the container's life
  int stop_signal = SIGTERM;                        // what it is told to stop by at the timeout
  std::chrono::seconds grace{30};                   // from being told to stop to being killed
};

struct Ending {
  int status = 0;  // its own, or 128 + the signal that killed it
  bool timed_out = false;
  int told_to_stop_by = 0;  // a signal of ours that ended it: INT, TERM, HUP, QUIT
  cgroups::OomKills oom;
  Errno broken_stream;  // a part of its input or output was lost to this error
};

// Returns when the container has ended and its output was delivered, or given up because it was stopped and nobody
// takes it. Restores the terminal on every way out.
Result<Ending> supervise(Running& running, const Supervision& supervision);

}  // namespace convox::runtime
