// How does a test start a program, talk to it, and make sure that it ends?
//
// Every wait has a deadline: at the limit the program is killed through its pidfd (a number could have been reused) and
// the text of the result says so. The harness calls libc and never sys::, which a MODE=faults build makes fail. Man
// pages: posix_spawn(3), pidfd_open(2), pty(7). Read next: sandbox.h.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace convox::test {

struct Start {
  std::vector<std::string> argv;         // argv[0] is a path
  std::string input;                     // what stdin holds before its end of file (a terminal has none: type "\4")
  std::vector<std::string> environment;  // the whole of it, "NAME=value"
  std::string directory;                 // where it starts; empty: here
  bool terminal = false;                 // stdin, stdout and stderr are one pty of 24 rows and 80 columns
  bool keep_input_open = false;          // no end of file until close_input()
  std::chrono::seconds limit{20};        // of its whole life, times CONVOX_TEST_SLOWNESS (10 in the VM)
};

struct Ran {
  int status = 0;   // exit status; 128+N: killed by signal N; kTimedOut: the harness had to kill it
  std::string out;  // with a terminal: all that it showed
  std::string err;  // the harness adds a line in [brackets] when something was wrong with the end
};
constexpr int kTimedOut = -1;

class Program {
 public:
  explicit Program(const Start& how);
  Program(Program&&) noexcept;
  Program& operator=(Program&&) = delete;
  ~Program();  // kills and reaps it if wait() did not

  [[nodiscard]] int pid() const { return pid_; }
  void type(std::string_view text);
  void close_input();
  // Waits until `text` appears on stdout (or the terminal) behind the last match. False: it ended or time was up.
  bool expect(std::string_view text);
  void resize(unsigned short rows, unsigned short columns);
  void signal(int number);
  Ran wait();

 private:
  using Clock = std::chrono::steady_clock;
  bool pump(Clock::time_point until, std::string_view text);
  void drain(int& fd, std::string& into);
  void reap();

  int pid_ = -1, pidfd_ = -1;
  int in_ = -1, out_ = -1, err_ = -1;  // ours; with a terminal in_ and out_ are both its master
  bool terminal_ = false, close_input_when_written_ = false, ended_ = false;
  std::string unwritten_;
  std::size_t matched_ = 0;  // where in ran_.out the next expect() begins to look
  Clock::time_point deadline_;
  Ran ran_;
};

// Start, wait, result.
Ran run(const Start& how);

}  // namespace convox::test
