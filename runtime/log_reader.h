// What did an app's processes say, all together and in order?
//
//   LogRecords -> LogLines  of each process, then merged here by time; where times are equal, by process id
//
// While following, a line waits for kHold before it is handed on. Keepers stamp what they read before they write it, so
// a line of another process may be a moment late, and must not be handed on behind one that is younger. What comes
// later all the same (a line that takes its time to end) gets the time of the line before it: the order that a user
// reads is the order of the times, always.
//
// Nothing here waits: the caller polls fd() and wait(). Read next: log_watch.h, cli/cmd_logs.cc.
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/log_lines.h"
#include "runtime/log_store.h"
#include "runtime/log_watch.h"

namespace convox::runtime {

struct LogQuestion {
  std::string app;
  std::string process;               // an id; empty: all of them
  std::string service;               // empty: all of them
  std::vector<std::string> filters;  // only lines that hold each of these
  std::int64_t since = std::numeric_limits<std::int64_t>::min();
  std::optional<std::size_t> tail;  // no more than so many of the lines that exist
  bool follow = false;
};

class LogReader {
 public:
  using Sink = std::function<Result<>(const Origin&, const Lines&)>;
  // May more be written to the log of process `id`? Asked after its directory was seen.
  using MayGrow = std::function<Result<bool>(const std::string& id)>;
  static constexpr std::int64_t kHold = 20'000'000;  // nanoseconds

  static Result<LogReader> open(const std::string& root, LogQuestion question, const MayGrow& may_grow);

  // Looks for what has changed. Only when following.
  Result<> notice();
  // Hands on what may be handed on now.
  Result<> read(const Sink& sink);
  // Nothing more will come: what read() will hand on is the rest.
  Result<> finish();

  // When following: nanoseconds until there is something for read(), or
  [[nodiscard]] std::optional<std::int64_t> wait() const;
  // readable when notice() has something to do.
  [[nodiscard]] int fd() const { return watch_->fd(); }

 private:
  struct Process {
    Process(int logs, const std::string& id, std::int64_t since) : lines(LogRecords(logs, id, since)) {
      origin.id = id;
    }
    Origin origin;  // without an app: not known yet
    LogLines lines;
    Lines head;             // the next ones, if it is in queue_
    std::int64_t seen = 0;  // when they were found, on the monotonic clock
    bool queued = false, gone = false;
    int watch = LogWatch::kNone;
  };
  struct Now {
    std::int64_t real = 0, monotonic = 0;
  };

  explicit LogReader(LogQuestion question) : question_(std::move(question)) {}
  static Now now();
  static bool later(const Process* a, const Process* b);
  Result<> add(const std::string& id, bool may_grow, bool is_new);
  Result<> rescan(LogWatch::Changes& changes);
  Result<bool> find_origin(Process& process, bool may_grow);
  Result<bool> is_older_than_asked(Process& process) const;
  Result<std::size_t> begin_at_tail(Process& process);
  Result<std::size_t> count(const std::string& id, std::uint64_t first_segment) const;
  Result<> fill(Process& process);
  void forget(Process& process);
  [[nodiscard]] bool may_go(const Process& process) const;
  [[nodiscard]] bool matches(std::string_view line) const;
  Result<> hand_on(const Process& process, const Sink& sink);

  LogQuestion question_;
  UniqueFd app_, logs_;
  std::optional<LogWatch> watch_;
  std::unordered_map<std::string, std::unique_ptr<Process>> processes_;  // by id
  std::unordered_map<int, Process*> watched_;                            // by number of the watch
  std::vector<Process*> queue_;                                          // a heap: the earliest in front
  Now now_;                                                              // of this round
  std::int64_t last_ = 0;                                                // time of the last line handed on
  std::size_t skip_ = 0;                                                 // lines before the tail
  std::optional<std::size_t> left_;                                      // lines of the tail; not when following
  bool final_ = false;
};

}  // namespace convox::runtime
