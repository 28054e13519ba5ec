#include "runtime/clone.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "runtime/base/fs.h"
#include "runtime/stage/plan.h"

namespace convox::runtime {
namespace {

constexpr std::size_t kStack = 64 * 1024;

// clone3 that calls `function(argument)` on the new stack in the child. In C++ the child could not even return: the
// frame it would return to lies on the parent's stack.
long clone_onto(clone_args* args, void (*function)(void*), void* argument) noexcept {
#ifdef CONVOX_FAULTS
  if (const long fault = faults::visit("clone3"); fault < 0) return fault;
#endif
#if defined(__x86_64__)
  long result;
  register void (*r8)(void*) __asm__("r8") = function;
  register void* r9 __asm__("r9") = argument;
  __asm__ volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"  // the outermost frame
      "mov %%r9, %%rdi\n\t"
      "call *%%r8\n\t"
      "ud2\n"
      "1:"
      : "=a"(result)
      : "a"(__NR_clone3), "D"(args), "S"(sizeof *args), "r"(r8), "r"(r9)
      : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = __NR_clone3;
  register long x0 __asm__("x0") = reinterpret_cast<long>(args);
  register long x1 __asm__("x1") = sizeof *args;
  register void (*x9)(void*) __asm__("x9") = function;
  register void* x10 __asm__("x10") = argument;
  __asm__ volatile(
      "svc 0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x29, xzr\n\t"
      "mov x0, x10\n\t"
      "blr x9\n\t"
      "brk 1\n"
      "1:"
      : "+r"(x0)
      : "r"(x1), "r"(x8), "r"(x9), "r"(x10)
      : "memory");
  return x0;
#endif
}

Result<void*> make_stack(std::size_t size) {
  const long at = sys::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  TRY(check(at > -4096 && at < 0 ? at : 0, "mmap", "a stack"));
  return reinterpret_cast<void*>(at);
}

// Says which call failed and ends. The host side knows the step.
[[noreturn]] void give_up(const ChildStart& start, Errno error) noexcept {
  const stage::Report report{.kind = stage::Report::kFailed, .step = start.step, .error = error.value};
  sys::write(start.socket, &report, sizeof report);
  sys::exit_group(stage::kStageFailed);
}

// Closes from `first` on all but `kept`, which are sorted.
Errno close_others(unsigned first, const int* kept, std::size_t count) noexcept {
  unsigned next = first;
  for (std::size_t i = 0; i < count; ++i) {
    const auto fd = static_cast<unsigned>(kept[i]);
    if (fd > next)
      if (const long rc = sys::close_range(next, fd - 1, 0); rc < 0) return Errno(rc);
    next = fd + 1;
  }
  return Errno(sys::close_range(next, ~0U, 0));
}

std::uint64_t flags_of(const Birth& birth, int cgroup) {
  std::uint64_t flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  if (cgroup >= 0) flags |= CLONE_INTO_CGROUP;
  if (!(birth.kinds & CLONE_NEWTIME)) flags |= CLONE_VM;
  if (birth.join < 0) flags |= birth.kinds;
  return flags;
}

// Runs `deed` in a task that shares our memory and has a stack of its own, while we are suspended (CLONE_VFORK): so it
// is a call, in which everything of the task that is not shared may change. It ends when `deed` returns, unless that
// executed another program. It is to be reaped.
template <class Deed>
Result<Child> call_in_task(std::uint64_t flags, Deed deed) {
  constexpr std::size_t room = 256 * 1024;  // `deed` is ordinary code
  void* stack = TRY(make_stack(room));
  int pidfd = -1;
  clone_args args{};
  args.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | flags;
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  args.stack = reinterpret_cast<std::uint64_t>(stack);
  args.stack_size = room;
  // Not sanitised itself: AddressSanitizer would warn that a call without return leaves a stack which it does not know.
  const auto live = [](void* call) __attribute__((no_sanitize("address"))) {
    (*static_cast<Deed*>(call))();
    sys::exit_group(0);
  };
  // A Ctrl-Z would stop the task, and us with it where no signal reaches us: it inherits this mask. No deadline covers
  // the call; all that it waits for is the disk.
  const unsigned long all = ~0UL;
  unsigned long before = 0;
  TRY(check(sys::rt_sigprocmask(SIG_SETMASK, &all, &before), "rt_sigprocmask", ""));
  const long pid = clone_onto(&args, live, &deed);
  sys::rt_sigprocmask(SIG_SETMASK, &before, nullptr);  // cannot fail: it did not the first time
  sys::munmap(stack, room);                            // vfork returned: the task has let go of our memory
  TRY(check(pid, "clone3", ""));
  return Child{UniqueFd(pidfd), static_cast<int>(pid)};
}

}  // namespace

std::uint64_t kinds_of(const Namespaces& namespaces) {
  std::uint64_t kinds = CLONE_NEWNS | CLONE_NEWPID;
  if (namespaces.user) kinds |= CLONE_NEWUSER;
  if (namespaces.network) kinds |= CLONE_NEWNET;
  if (namespaces.ipc) kinds |= CLONE_NEWIPC;
  if (namespaces.uts) kinds |= CLONE_NEWUTS;
  if (namespaces.cgroup) kinds |= CLONE_NEWCGROUP;
  if (namespaces.time) kinds |= CLONE_NEWTIME;
  return kinds;
}

bool Birth::has_user_namespace() const {
  const auto is_user = [](const Joined& one) { return one.kind == CLONE_NEWUSER; };
  return (kinds & CLONE_NEWUSER) != 0 || std::any_of(joined.begin(), joined.end(), is_user);
}

Result<Child> fork_into(int cgroup) {
  int pidfd = -1;
  clone_args args{};
  args.flags = CLONE_PIDFD | CLONE_INTO_CGROUP;
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  args.cgroup = static_cast<std::uint64_t>(cgroup);
  const long pid = sys::clone3(&args, sizeof args);
  TRY(check(pid, "clone3", "a launcher"));
  return pid == 0 ? Child{UniqueFd(), 0} : Child{UniqueFd(pidfd), static_cast<int>(pid)};
}

void die_with_parent() { sys::prctl(PR_SET_PDEATHSIG, SIGKILL); }

Result<UniqueFd> in_private_mounts(const std::function<void()>& deed) {
  Child task = TRY(call_in_task(CLONE_FILES | CLONE_NEWNS, [&] {
    // It holds our descriptors, and so our locks; if this fails, a moment longer.
    sys::prctl(PR_SET_PDEATHSIG, SIGKILL);
    deed();
  }));
  return std::move(task.pidfd);
}

Result<UniqueFd> start_program(int program, const char* name, const std::vector<int>& handed) {
  std::vector<int> kept = handed;
  kept.push_back(program);
#ifdef CONVOX_FAULTS
  kept.push_back(faults::kLog);
#endif
  std::sort(kept.begin(), kept.end());
  std::string first = cat(handed.front()), title = name;
  char* argv[] = {title.data(), first.data(), nullptr};
  char* envp[] = {nullptr, nullptr};
#ifdef CONVOX_FAULTS
  envp[0] = faults::environment();
#endif
  long failed = 0;
  Child task = TRY(call_in_task(CLONE_CLEAR_SIGHAND, [&] {
    sys::setsid();  // it leads no group yet, so this cannot fail
    failed = -close_others(3, kept.data(), kept.size()).value;
    for (const int fd : handed)
      if (failed == 0) failed = std::min(sys::fcntl(fd, F_SETFD, 0), 0L);
    if (failed == 0) failed = sys::execveat(program, "", argv, envp, AT_EMPTY_PATH);
  }));
  if (failed == 0) return std::move(task.pidfd);
  reap(task.pidfd);
  return os_error("execveat", name, Errno(failed));
}

Result<Child> start_host_program(const HostProgram& program) {
  const auto pointers = [](const std::vector<std::string>& texts) {
    std::vector<char*> list;
    for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
    list.push_back(nullptr);
    return list;
  };
  const std::vector<char*> argv = pointers(program.arguments), envp = pointers(program.environment);
  const unsigned long none = 0;
  long failed = 0;
  Child task = TRY(call_in_task(CLONE_CLEAR_SIGHAND, [&] {
    sys::setpgid(0, 0);  // it leads no session, so this cannot fail
    failed = std::min(sys::fchdir(program.directory), 0L);
    for (int fd = 0; fd < 3; ++fd)
      if (failed == 0) failed = std::min(sys::dup3(program.stdio[fd], fd, 0), 0L);
    int next = 3;
    for (const int fd : program.further)
      if (failed == 0) failed = std::min(sys::dup3(fd, next++, 0), 0L);
    if (failed == 0) failed = sys::close_range(static_cast<unsigned>(next), ~0U, 0);
    sys::rt_sigprocmask(SIG_SETMASK, &none, nullptr);
    if (failed == 0) failed = sys::execve(program.path.c_str(), argv.data(), envp.data());
  }));
  if (failed == 0) return task;
  reap(task.pidfd);
  return os_error("execve", program.path, Errno(failed));
}

// Signals stay blocked, if they were, for what it would do with one is ours to do.
Result<Child> start_sleeper(std::uint64_t kinds) {
  int pidfd = -1;
  clone_args args{};
  args.flags = CLONE_PIDFD | kinds;
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  const long pid = sys::clone3(&args, sizeof args);
  TRY(check(pid, "clone3", ""));
  if (pid > 0) return Child{UniqueFd(pidfd), static_cast<int>(pid)};
  sys::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) sys::ppoll(nullptr, 0, nullptr);
}

void reap(const UniqueFd& pidfd) {
  pollfd end{pidfd.get(), POLLIN, 0};
  timespec timeout{10, 0};
  sys::ppoll(&end, 1, &timeout);
  siginfo_t info{};
  sys::waitid(P_PIDFD, pidfd.get(), &info, WEXITED | WNOHANG);
}

ChildMemory::~ChildMemory() {
  if (stack_) sys::munmap(stack_, kStack);
}

// Namespaces that exist and that a child must be born into are joined by a task that is there for nothing else: it has
// a set of namespaces, a working directory and credentials of its own, so none of ours change, not even for a moment;
// and it need not come back, which is refused to whoever has no rights over the namespaces that it came from. The child
// that it makes is ours, not its (CLONE_PARENT), and lives on when it ends, which is at once. The cgroup namespace is
// the child's own to join: from inside one nobody may be born into a group that it does not show.  clone(2), setns(2),
// cgroup_namespaces(7)
Result<long> ChildMemory::clone_among(const std::vector<Joined>& joined, clone_args& args) {
  args.flags |= CLONE_PARENT;
  args.exit_signal = 0;  // that of the task, SIGCHLD
  long result = 0;
  bool inside = true;
  const Child task = TRY(call_in_task(CLONE_FILES, [&] {
    for (const Joined& one : joined) {
      if (one.kind == CLONE_NEWCGROUP) continue;
      result = sys::setns(one.fd, static_cast<int>(one.kind));
      if (result < 0) {
        inside = false;
        return;
      }
    }
    result = clone_onto(&args, &ChildMemory::live, this);
  }));
  reap(task.pidfd);
  if (!inside) return os_error("setns", "a namespace to be joined", Errno(result));
  return result;
}

Result<Child> ChildMemory::clone(const Birth& birth, int cgroup, const ChildStart& start) {
  birth_ = birth;
  start_ = start;
  has_user_namespace_ = birth.has_user_namespace();
  const auto digits = [](char* text, int number) { *std::to_chars(text, text + 11, number).ptr = '\0'; };
  digits(socket_digits_, start.socket);
  digits(plan_digits_, start.plan);
  static char name[] = "convox:[stage]";  // what ps shows of a launch that hangs
  argv_[0] = name;
  argv_[1] = socket_digits_;
  argv_[2] = plan_digits_;
#ifdef CONVOX_FAULTS
  envp_[0] = faults::environment();
#endif

  kept_count_ = 3;
  kept_[0] = start.socket;
  kept_[1] = start.stage;
  kept_[2] = start.plan;
  if (birth.join >= 0) kept_[kept_count_++] = birth.join;
  for (const Joined& one : birth.joined)
    if (one.kind == CLONE_NEWCGROUP) kept_[kept_count_++] = cgroup_namespace_ = one.fd;
#ifdef CONVOX_FAULTS
  kept_[kept_count_++] = faults::kLog;
#endif
  std::sort(kept_, kept_ + kept_count_);

  if (!stack_) stack_ = TRY(make_stack(kStack));

  // Before the child exists: a container's root could otherwise trace it, or open what it has open, until the
  // unreadable stage takes over. It is per memory, so it would be in the child too late. It protects from whoever has
  // no CAP_SYS_PTRACE in the user namespace that the memory belongs to: plan_launch refuses that one to a container
  // in ours.  ptrace(2), PR_SET_DUMPABLE
  TRY(check(sys::prctl(PR_SET_DUMPABLE, 0), "prctl", "PR_SET_DUMPABLE"));
  int pidfd = -1;
  clone_args args{};
  args.flags = flags_of(birth, cgroup);
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  args.stack = reinterpret_cast<std::uint64_t>(stack_);
  args.stack_size = kStack;
  args.cgroup = cgroup < 0 ? 0 : static_cast<std::uint64_t>(cgroup);
  long pid = 0;
  if (!birth.joined.empty())
    pid = TRY(clone_among(birth.joined, args));
  else if (birth.join >= 0 && (birth.kinds & CLONE_NEWPID))  // all others are joined by the child itself
    pid = TRY(clone_among({{birth.join, CLONE_NEWPID}}, args));
  else
    pid = clone_onto(&args, &ChildMemory::live, this);
  // user_namespaces(7): refused to whoever is in a chroot
  if (pid == -EPERM && birth.join < 0 && (birth.kinds & CLONE_NEWUSER))
    return os_error("clone3", "", Errno(pid)).advise("a chroot cannot have user namespaces, a pivot_root can");
  TRY(check(pid, "clone3", ""));
  return Child{UniqueFd(pidfd), static_cast<int>(pid)};
}

// The child, from its first instruction to the stage. An execve by an id that has no mapping drops every capability, so
// with a user namespace it waits for the maps and becomes the namespace's root first.  user_namespaces(7),
// "Capabilities"
void ChildMemory::live(void* self) noexcept {
  auto& memory = *static_cast<ChildMemory*>(self);
  const ChildStart& start = memory.start_;
  const int join = memory.birth_.join;
  for (int fd = 0; fd < 3; ++fd) {
    if (start.stdio[fd] < 0) continue;
    if (const long rc = sys::dup3(start.stdio[fd], fd, 0); rc < 0) give_up(start, Errno(rc));
  }
  // This copy of the table keeps what the stage needs, and nothing that our caller left open for us. Above all not the
  // host side's end of the socket, or its death would not be the end of file that we wait for below; nor the lock that
  // says that it lives.
  if (const Errno error = close_others(3 + start.preserved, memory.kept_, memory.kept_count_); error)
    give_up(start, error);
  if (join >= 0) {
    // All in one call, and the user namespace first of all, by whose rights the others are joined.
    if (const int kinds = static_cast<int>(memory.birth_.kinds & ~std::uint64_t{CLONE_NEWPID}); kinds != 0)
      if (const long rc = sys::setns(join, kinds); rc < 0) give_up(start, Errno(rc));
    sys::close(join);
  } else if (memory.has_user_namespace_) {
    char go = 0;
    long got = 0;
    do got = sys::read(start.socket, &go, 1);
    while (got == -EINTR);
    if (got != 1) sys::exit_group(stage::kStageFailed);  // the host side is gone
  }
  if (memory.cgroup_namespace_ >= 0) {
    if (const long rc = sys::setns(memory.cgroup_namespace_, CLONE_NEWCGROUP); rc < 0) give_up(start, Errno(rc));
    sys::close(memory.cgroup_namespace_);
  }
  if (memory.has_user_namespace_) {
    if (const long rc = sys::setresgid(0, 0, 0); rc < 0) give_up(start, Errno(rc));
    if (const long rc = sys::setresuid(0, 0, 0); rc < 0) give_up(start, Errno(rc));
  }
  for (const int fd : {start.socket, start.plan})
    if (const long rc = sys::fcntl(fd, F_SETFD, 0); rc < 0) give_up(start, Errno(rc));
  const long failed = sys::execveat(start.stage, "", memory.argv_, memory.envp_, AT_EMPTY_PATH);
  give_up(start, Errno(failed));
}

}  // namespace convox::runtime
