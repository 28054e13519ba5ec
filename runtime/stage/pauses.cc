// When does the stage stop and let others act?
//
// While the host side does its part or runs its hooks; while a hook runs inside; and at the gate, where a container
// that was created waits to be started, for days if need be.
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <poll.h>
#include <sys/mman.h>
#include <time.h>

#include "runtime/stage/stage.h"

namespace convox::stage {
namespace {

constexpr int kKill = 9;
constexpr int kAll = 0x40000000;  // __WALL: also children that send no signal

Errno await_go(Stage& stage) noexcept {
  char go = 0;
  long got = 0;
  do got = sys::read(stage.socket, &go, 1);
  while (got == -EINTR);
  return Errno(got == 0 ? -ECONNRESET : got);
}

// What a hook needs beside the plan, in memory that it shares with us until it executes.
struct Call {
  int error = 0;  // errno of what failed before its program ran
  std::uint32_t room = 0;
  char* pointers[1] = {};  // of the arguments, the environment, and a null behind each
};

Call* make_call(Stage& stage, const RunHook& step, Errno* error) noexcept {
  const std::size_t room = sizeof(Call) + (std::size_t{step.args.count} + step.env.count + 2) * sizeof(char*);
  const long at = sys::mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  *error = Errno(at < 0 && at > -4096 ? at : 0);
  if (*error) return nullptr;
  Call* call = reinterpret_cast<Call*>(at);
  call->room = static_cast<std::uint32_t>(room);
  char** next = call->pointers;
  for (const Texts& list : {step.args, step.env}) {
    for (std::uint32_t i = 0; i < list.count; ++i)
      *next++ = const_cast<char*>(stage.plan.text(stage.plan.item(list, i)));
    *next++ = nullptr;
  }
  return call;
}

// The child: it has the state of the container as its input, and no other descriptor of ours.
[[noreturn]] void become_hook(Stage& stage, const RunHook& step, Call* call) noexcept {
  long rc = sys::setpgid(0, 0);
  if (rc >= 0) rc = sys::lseek(stage.in(step.state), 0, 0 /* SEEK_SET */);
  if (rc >= 0) rc = sys::dup3(stage.in(step.state), 0, 0);
  if (rc >= 0) rc = sys::dup3(stage.in(step.output), 1, 0);
  if (rc >= 0) rc = sys::dup3(stage.in(step.output), 2, 0);
  if (rc >= 0) rc = sys::close_range(3, ~0U, 0);
  if (rc >= 0) rc = sys::execve(stage.plan.text(step.path), call->pointers, call->pointers + step.args.count + 1);
  call->error = static_cast<int>(-rc);
  sys::exit_group(kStageFailed);
}

std::int64_t seconds_now() noexcept {
  timespec time{};
  sys::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec;
}

// Until the process behind `pidfd` has ended; ETIMEDOUT after that many seconds, 0 for no limit.
Errno await_end(int pidfd, std::uint32_t limit) noexcept {
  const std::int64_t end = seconds_now() + limit;
  for (;;) {
    pollfd ended{pidfd, POLLIN, 0};
    timespec left{end - seconds_now(), 0};
    if (limit != 0 && left.tv_sec <= 0) return Errno(-ETIMEDOUT);
    const long rc = sys::ppoll(&ended, 1, limit != 0 ? &left : nullptr);
    if (rc > 0) return {};
    if (rc < 0 && rc != -EINTR) return Errno(rc);
  }
}

// The first process of a PID namespace gets only signals that it has a handler for.  pid_namespaces(7)
[[noreturn]] void end_of_signal(int signal) noexcept { sys::exit_group(128 + signal); }

constexpr int kEnding[] = {1, 2, 3, 15};  // SIGHUP, SIGINT, SIGQUIT, SIGTERM

// `handler` null: as it was.
Errno on_ending_signals(void (*handler)(int)) noexcept {
  constexpr unsigned long kHasRestorer = 0x04000000;  // SA_RESTORER: x86-64 wants one, also for who never returns
  const struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(int);
    unsigned long mask;
  } action{handler, handler ? kHasRestorer : 0, handler, 0};
  for (const int signal : kEnding)
    if (const long rc = sys::rt_sigaction(signal, &action, nullptr); rc < 0) return Errno(rc);
  return {};
}

}  // namespace

Errno perform(const AwaitGo&, Stage& stage) noexcept { return await_go(stage); }

Errno perform(const AwaitHooks&, Stage& stage) noexcept {
  stage.report({.kind = Report::kAtHooks});
  return await_go(stage);
}

// In a process group of its own, so that its end within its time can be made sure of. What it says goes to a file: a
// pipe would have to be read meanwhile.
Errno perform(const RunHook& step, Stage& stage) noexcept {
  Errno error;
  Call* call = make_call(stage, step, &error);
  if (!call) return error;
  int opened = -1;
  const long pid = sys::fork(&opened);
  if (pid == 0) become_hook(stage, step, call);
  const UniqueFd pidfd(opened);
  error = Errno(pid);
  if (!error) {
    sys::setpgid(static_cast<int>(pid), static_cast<int>(pid));  // whoever comes first; too late is EACCES
    error = await_end(pidfd.get(), step.timeout);
    if (error) sys::kill(static_cast<int>(-pid), kKill);
    int status = 0;
    const long reaped = sys::wait4(static_cast<int>(pid), &status, kAll);
    if (!error) error = Errno(reaped < 0 ? reaped : -call->error);
    if (!error && status != 0) {
      stage.hook_status = static_cast<std::uint32_t>(status);
      error = Errno(-EREMOTEIO);
    }
  }
  sys::munmap(call, call->room);
  return error;
}

// Behind it the connection is all that hears of us, and its end ends us: nothing half-confined stays behind.
Errno perform(const Gate& step, Stage& stage) noexcept {
  if (const long rc = sys::prctl(PR_SET_PDEATHSIG, 0); rc < 0) return Errno(rc);  // whoever made us may leave
  if (const Errno error = on_ending_signals(end_of_signal); error) return error;
  const UniqueFd gate = stage.take(step.socket);
  if (!gate) return Errno(-EBADF);
  stage.report({.kind = Report::kCreated});
  sys::close(stage.socket);
  stage.socket = -1;
  long connected = 0;
  do connected = sys::accept4(gate.get(), O_CLOEXEC);
  while (connected == -EINTR);
  if (connected < 0) return Errno(connected);
  stage.socket = static_cast<int>(connected);
  return on_ending_signals(nullptr);
}

}  // namespace convox::stage
