#include "runtime/base/process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/base/fs.h"

#ifndef CONVOX_LIBEXEC
#define CONVOX_LIBEXEC "/usr/local/libexec/convox"
#endif

namespace convox {
namespace {

constexpr std::size_t kMostSaid = 1u << 20;  // what is kept of each stream; a helper that says more is not ours

long milliseconds() {
  timespec time{};
  sys::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1'000'000;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> list;
  for (const std::string& word : words) list.push_back(const_cast<char*>(word.c_str()));
  list.push_back(nullptr);
  return list;
}

struct Pipe {
  UniqueFd reading, writing;
};

Result<Pipe> make_pipe() {
  int ends[2];
  TRY(check(sys::pipe2(ends, O_CLOEXEC), "pipe2", ""));
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// What the child does before it becomes the program. Its memory is a copy, but system calls are all it may make: raw
// clone3 runs none of libc's fork handlers, so a lock that was held stays held.
[[noreturn]] void become(const char* program, char* const* argv, char* const* envp, const int (&stdio)[3], int parent) {
  const auto need = [](long result) {
    if (result < 0) sys::exit_group(127);
  };
  for (int fd = 0; fd < 3; ++fd) need(sys::dup3(stdio[fd], fd, 0));
  need(sys::close_range(3, ~0u, CLOSE_RANGE_CLOEXEC));
#ifdef CONVOX_FAULTS
  sys::raw(__NR_fcntl, faults::kLog, F_SETFD, 0);
#endif
  // We ignore SIGPIPE, and what is ignored stays so across execve: signal(7).
  constexpr unsigned long kDefaultAction[4] = {};
  need(sys::rt_sigaction(SIGPIPE, kDefaultAction, nullptr));
  const unsigned long none = 0;
  need(sys::rt_sigprocmask(SIG_SETMASK, &none, nullptr));
  // The signal is set for the death that comes; one that came before this line shows as another parent.  prctl(2)
  need(sys::prctl(PR_SET_PDEATHSIG, SIGKILL));
  if (sys::getppid() == parent) sys::execve(program, argv, envp);
  sys::exit_group(127);
}

// Reads both pipes until the program has closed them and ended, or the time is over.
Result<> listen(int output, int errors, int pidfd, long deadline, Finished& finished) {
  pollfd waits[] = {{output, POLLIN, 0}, {errors, POLLIN, 0}, {pidfd, POLLIN, 0}};
  std::string* const texts[] = {&finished.output, &finished.errors};
  // The end of the program ends the wait, too: a grandchild may have kept the pipes open.
  for (bool ended = false; !ended;) {
    const long left = deadline - milliseconds();
    if (left <= 0) return Error{Error::Kind::kSystem, ETIMEDOUT, "took too long", {}};
    timespec timeout{left / 1000, left % 1000 * 1'000'000};
    const long ready = sys::ppoll(waits, 3, &timeout);
    if (ready == -EINTR) continue;
    TRY(check(ready, "ppoll", ""));
    ended = waits[2].revents != 0;
    for (int stream = 0; stream < 2; ++stream) {
      // After the end both are read out, whatever was polled: the last words may have come after poll looked at the
      // pipe.
      if (waits[stream].fd < 0 || !(ended || waits[stream].revents)) continue;
      for (;;) {
        char buffer[16384];
        const long got = sys::read(waits[stream].fd, buffer, sizeof buffer);
        if (got == -EINTR) continue;
        if (got == 0) waits[stream].fd = -1;  // ppoll passes over negative descriptors
        if (got <= 0) break;
        std::string& text = *texts[stream];
        text.append(buffer, std::min(static_cast<std::size_t>(got), kMostSaid - text.size()));
      }
    }
  }
  return ok();
}

}  // namespace

Result<Running> start_program(const Program& program, bool with_input) {
  // Asked here, so that a program that is missing is this process's error and not a dead child's status.
  TRY(check(sys::faccessat2(AT_FDCWD, program.path.c_str(), X_OK, AT_EACCESS), "execute", program.path));
  Pipe input, output = TRY(make_pipe()), errors = TRY(make_pipe());
  if (with_input)
    input = TRY(make_pipe());
  else
    input.reading = TRY(fs::open("/dev/null", O_RDWR));
  for (const Pipe* pipe : {&output, &errors})
    TRY(check(sys::fcntl(pipe->reading.get(), F_SETFL, O_NONBLOCK), "fcntl", "a pipe"));
  const auto argv = pointers(program.arguments), envp = pointers(program.environment);
  const int stdio[] = {input.reading.get(), output.writing.get(), errors.writing.get()};
  const int parent = static_cast<int>(sys::getpid());

  int pidfd = -1;
  const long child = sys::fork(&pidfd);
  if (child < 0) return os_error("clone", program.path, Errno(child));
  if (child == 0) become(program.path.c_str(), argv.data(), envp.data(), stdio, parent);
  return Running{static_cast<int>(child), UniqueFd(pidfd), std::move(input.writing), std::move(output.reading),
                 std::move(errors.reading)};
}

Result<std::optional<std::string>> read_line(const Running& running, int seconds) {
  const long deadline = milliseconds() + seconds * 1000L;
  for (std::string line;;) {
    char byte = 0;  // what comes behind the line is somebody else's to read
    const long got = sys::read(running.output.get(), &byte, 1);
    if (got == 0) return std::optional<std::string>();
    if (got == 1 && byte == '\n') return std::optional(std::move(line));
    if (got == 1) line += byte;
    if (line.size() > kMostSaid) return invalid("a line without an end");
    if (got == 1 || got == -EINTR) continue;
    if (got != -EAGAIN) TRY(check(got, "read", "a pipe"));
    const long left = deadline - milliseconds();
    if (left <= 0) return Error{Error::Kind::kSystem, ETIMEDOUT, "took too long", {}};
    timespec timeout{left / 1000, left % 1000 * 1'000'000};
    pollfd wait{running.output.get(), POLLIN, 0};
    const long ready = sys::ppoll(&wait, 1, &timeout);
    if (ready != -EINTR) TRY(check(ready, "ppoll", "a pipe"));
  }
}

Result<Finished> finish_program(Running running, const Program& program) {
  running.input.reset();
  Finished finished;
  Result<> heard = listen(running.output.get(), running.errors.get(), running.process.get(),
                          milliseconds() + program.seconds * 1000L, finished);
  if (!heard) sys::pidfd_send_signal(running.process.get(), SIGKILL);
  siginfo_t end{};
  long waited = 0;
  do waited = sys::waitid(P_PIDFD, running.process.get(), &end, WEXITED | __WALL);
  while (waited == -EINTR);
  if (!heard) return std::move(heard).error().under(cat("running ", program.path));
  TRY(check(waited, "waitid", program.path));
  finished.status = end.si_code == CLD_EXITED ? end.si_status : 128 + end.si_status;
  return finished;
}

Result<Finished> run_program(const Program& program) {
  Running running = TRY(start_program(program, false));
  return finish_program(std::move(running), program);
}

std::string helper_path(std::string_view name) {
  char self[4096];
  const long size = sys::readlinkat(AT_FDCWD, "/proc/self/exe", self, sizeof self);
  if (size > 0 && static_cast<std::size_t>(size) < sizeof self) {
    const std::string_view path(self, static_cast<std::size_t>(size));
    std::string beside = cat(path.substr(0, path.rfind('/') + 1), name);
    if (sys::faccessat2(AT_FDCWD, beside.c_str(), X_OK, AT_EACCESS) == 0) return beside;
  }
  return cat(CONVOX_LIBEXEC, "/", name);
}

}  // namespace convox
