#include "tests/support/program.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/cat.h"

namespace convox::test {
namespace {

constexpr std::chrono::seconds kLastWords{2};  // between a program's end and the end of file on its outputs

[[noreturn]] void fatal(const std::string& deed, int error) {
  cr_fatal("the harness cannot %s: %s", deed.c_str(), strerror(error));
  abort();  // cr_fatal does not come back, but does not say so
}

int slowness() {
  const char* factor = getenv("CONVOX_TEST_SLOWNESS");
  return factor ? std::max(1, atoi(factor)) : 1;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> list;
  for (const std::string& word : words) list.push_back(const_cast<char*>(word.c_str()));
  list.push_back(nullptr);
  return list;
}

void close_one(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) fatal("make a pipe", errno);
    read = ends[0], write = ends[1];
  }
};

}  // namespace

Program::Program(const Start& how) : terminal_(how.terminal), unwritten_(how.input) {
  ::signal(SIGPIPE, SIG_IGN);  // a program that does not read its input is no reason for the test to die
  deadline_ = Clock::now() + how.limit * slowness();
  close_input_when_written_ = !how.keep_input_open;
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  int theirs[3];
  char terminal[64];
  if (how.terminal) {
    const winsize size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    if (openpty(&out_, &theirs[0], terminal, nullptr, &size) < 0) fatal("open a terminal", errno);
    fcntl(out_, F_SETFD, FD_CLOEXEC);
    fcntl(theirs[0], F_SETFD, FD_CLOEXEC);
    in_ = fcntl(out_, F_DUPFD_CLOEXEC, 0);
    // Opened after setsid and without O_NOCTTY: so it becomes the new session's controlling terminal.
    posix_spawn_file_actions_addopen(&files, 0, terminal, O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&files, 0, 1);
    posix_spawn_file_actions_adddup2(&files, 0, 2);
    theirs[1] = theirs[2] = -1;
  } else {
    const Pipe in, out, err;
    in_ = in.write, out_ = out.read, err_ = err.read;
    theirs[0] = in.read, theirs[1] = out.write, theirs[2] = err.write;
    for (int fd = 0; fd < 3; ++fd) posix_spawn_file_actions_adddup2(&files, theirs[fd], fd);
  }
  for (const int fd : {in_, out_, err_})
    if (fd >= 0) fcntl(fd, F_SETFL, O_NONBLOCK);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  if (!how.directory.empty()) posix_spawn_file_actions_addchdir_np(&files, how.directory.c_str());

  // A session of its own, no inherited signal dispositions: what the test runner does to itself is not the program's.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  const int error = posix_spawn(&pid_, how.argv[0].c_str(), &files, &attributes, pointers(how.argv).data(),
                                pointers(how.environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  for (int& fd : theirs) close_one(fd);
  if (error) fatal(cat("start ", how.argv[0]), error);
  pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (pidfd_ < 0) fatal("open a pidfd", errno);
}

Program::Program(Program&& other) noexcept
    : pid_(other.pid_),
      pidfd_(std::exchange(other.pidfd_, -1)),
      in_(std::exchange(other.in_, -1)),
      out_(std::exchange(other.out_, -1)),
      err_(std::exchange(other.err_, -1)),
      terminal_(other.terminal_),
      close_input_when_written_(other.close_input_when_written_),
      ended_(other.ended_),
      unwritten_(std::move(other.unwritten_)),
      matched_(other.matched_),
      deadline_(other.deadline_),
      ran_(std::move(other.ran_)) {}

Program::~Program() {
  if (pidfd_ >= 0 && !ended_) {
    signal(SIGKILL);
    reap();
  }
  for (int* fd : {&pidfd_, &in_, &out_, &err_}) close_one(*fd);
}

void Program::type(std::string_view text) { unwritten_ += text; }
void Program::close_input() { close_input_when_written_ = true; }
void Program::signal(int number) { syscall(SYS_pidfd_send_signal, pidfd_, number, nullptr, 0); }

void Program::resize(unsigned short rows, unsigned short columns) {
  const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  ioctl(out_, TIOCSWINSZ, &size);
}

void Program::drain(int& fd, std::string& into) {
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got > 0) {
      into.append(buffer, static_cast<std::size_t>(got));
    } else if (got < 0 && errno == EAGAIN) {
      return;
    } else {  // end of file; a terminal's master says EIO when the last slave is closed
      return close_one(fd);
    }
  }
}

void Program::reap() {
  siginfo_t info{};
  waitid(P_PIDFD, static_cast<id_t>(pidfd_), &info, WEXITED);
  ended_ = true;
  ran_.status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

// Moves bytes until `text` was seen (if there is one), or all outputs have ended and the program too. False: time is
// up, or it ended without a word of `text`.
bool Program::pump(Clock::time_point until, std::string_view text) {
  for (;;) {
    if (!text.empty()) {
      if (const auto at = ran_.out.find(text, matched_); at != std::string::npos) {
        matched_ = at + text.size();
        return true;
      }
    }
    if (unwritten_.empty() && close_input_when_written_ && !terminal_) close_one(in_);
    if (ended_ && out_ < 0 && err_ < 0) return text.empty();
    pollfd fds[] = {{.fd = unwritten_.empty() ? -1 : in_, .events = POLLOUT, .revents = 0},
                    {.fd = out_, .events = POLLIN, .revents = 0},
                    {.fd = err_, .events = POLLIN, .revents = 0},
                    {.fd = ended_ ? -1 : pidfd_, .events = POLLIN, .revents = 0}};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return false;
    poll(fds, 4, static_cast<int>(left) + 1);
    if (fds[0].revents) {
      const ssize_t put = ::write(in_, unwritten_.data(), unwritten_.size());
      if (put > 0) unwritten_.erase(0, static_cast<std::size_t>(put));
      if (put < 0 && errno != EAGAIN) unwritten_.clear(), close_one(in_);  // it does not want to read any more
    }
    if (fds[1].revents) drain(out_, ran_.out);
    if (fds[2].revents) drain(err_, ran_.err);
    if (fds[3].revents) {
      reap();
      until = std::min(until, Clock::now() + kLastWords * slowness());
    }
  }
}

bool Program::expect(std::string_view text) { return pump(deadline_, text); }

Ran Program::wait() {
  const bool complete = pump(deadline_, {});
  if (!ended_) {
    signal(SIGKILL);
    reap();
    ran_.status = kTimedOut;
    ran_.err += "\n[still running at its time limit, killed]";
  } else if (!complete) {
    ran_.err += "\n[ended, but some other process keeps its output open]";
  }
  return std::move(ran_);
}

Ran run(const Start& how) { return Program(how).wait(); }

}  // namespace convox::test
