// How does a test have a keeper of its own, without a container?
//
//   Kept kept(box, {.payload = [] { say("hello\n"); return 7; }});
//   cr_assert(kept.ended_as_it_says());
//   cr_assert(kept.output(log::Kind::kOutput) == "hello\n");
//
// The test process makes a log directory, forks a launcher, and that forks the payload, an ordinary function, and then
// executes the keeper's image, exactly as `run --detach` does.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "runtime/keeper/log_format.h"
#include "runtime/keeper/plan.h"
#include "tests/support/sandbox.h"

namespace convox::test {

struct LogRecord {
  log::Kind kind = log::Kind::kOutput;
  std::int64_t time = 0;
  std::string bytes;
};

// Reads what is there from the beginning of segment `number`, then what comes, over all segments that follow.
class LogFollower {
 public:
  explicit LogFollower(std::string directory, unsigned number = 1);
  ~LogFollower();
  LogFollower(const LogFollower&) = delete;
  LogFollower& operator=(const LogFollower&) = delete;
  // All whole records that are there by now. What is no record fails the test.
  std::vector<LogRecord> read();
  [[nodiscard]] unsigned number() const { return number_; }
  // SegmentHead::written of the first segment, and the bytes of records since.
  [[nodiscard]] std::uint64_t position() const { return position_; }

 private:
  bool open();
  std::string directory_;
  unsigned number_;
  int fd_ = -1;
  std::uint64_t at_ = 0, position_ = 0;
};

struct KeepHow {
  std::function<int()> payload;
  bool terminal = false;
  std::string logs = {};           // where ROOT is; empty: the box's
  std::string cgroup = {};         // a cgroup directory that the payload joins
  bool cgroup_kill = true;         // the keeper may write to cgroup.kill
  std::string memory_events = {};  // contents of files that play the cgroup's
  std::string memory_max = {};
  std::uint64_t segment_size = 1 << 20;
  unsigned most_segments = 10;
  std::int64_t timeout = 0, grace = 0;  // nanoseconds
};

class Kept {
 public:
  Kept(const Sandbox& box, const KeepHow& how);
  ~Kept();  // kills both
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  [[nodiscard]] int pid() const { return keeper_; }
  [[nodiscard]] int payload() const { return payload_; }
  [[nodiscard]] const std::string& logs() const { return logs_; }
  bool wait_for_end(int milliseconds);  // of the keeper; false: it still lives
  // Waits. Did it end with the payload's status, as the exit that it wrote has it?
  bool ended_as_it_says();
  int wait();  // its exit status, or 128 + signal; -1 after 20 seconds
  [[nodiscard]] log::Exit exit() const;
  // Of all segments that exist.
  [[nodiscard]] std::vector<LogRecord> records() const;
  [[nodiscard]] std::string output(log::Kind kind) const;

 private:
  std::string logs_, exit_;
  int keeper_ = -1, payload_ = -1, pidfd_ = -1;
  int status_ = -2;
};

// What a keeper ends with that gets these bytes, sealed or not, as its plan; -1 if it goes on living.
int status_with(std::string_view block, bool sealed = true);
// Executes the keeper's image with `plan`, in a child or in this process, with all descriptors that the plan names.
int start_keeper(const keeper::Plan& plan, const std::vector<std::string>& argv = {},
                 const std::vector<std::string>& environment = {});
[[noreturn]] void become_keeper(const keeper::Plan& plan, const std::vector<std::string>& argv = {},
                                const std::vector<std::string>& environment = {});

// A pipe: whoever passes waits until somebody has opened.
struct Gate {
  int ends[2];
  Gate();
  void open() const;
  void pass() const;
};

void say(std::string_view text, int fd = 1);             // write(2), all of it
std::string status_line(int pid, std::string_view key);  // of /proc/PID/status
// A cgroup below ours, gone with it; empty if this machine has none.
class TestGroup {
 public:
  TestGroup();
  ~TestGroup();
  TestGroup(const TestGroup&) = delete;
  TestGroup& operator=(const TestGroup&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace convox::test
