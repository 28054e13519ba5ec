// What is the least that any runtime must ask of this kernel for a command in a container that runs?
//
//   bare_exec PID CGROUP PROGRAM      prints the microseconds of one life
//
// A child that is born in CGROUP joins all namespaces of the process PID, becomes root there and executes PROGRAM, a
// path inside; then it is reaped. No checks, no confinement, no supervision: this is the floor, not a way to run
// anything. Man pages: setns(2), clone(2) under clone3, pidfd_open(2).
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/bench/measure.h"

namespace {

constexpr int kAllButPid = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

void live_and_die(pid_t process, const char* cgroup, char* program) {
  const int target = static_cast<int>(must(syscall(SYS_pidfd_open, process, 0), "pidfd_open"));
  const int group = static_cast<int>(must(open(cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC), "open the cgroup"));
  must(setns(target, CLONE_NEWPID), "join the process namespace");  // only children are in it
  clone_args how{};
  how.flags = CLONE_INTO_CGROUP;
  how.exit_signal = SIGCHLD;
  how.cgroup = static_cast<__u64>(group);
  const pid_t child = static_cast<pid_t>(must(syscall(SYS_clone3, &how, sizeof how), "clone3"));
  if (child == 0) {
    must(setns(target, kAllButPid), "join the namespaces");
    must(setresgid(0, 0, 0), "setresgid");
    must(setresuid(0, 0, 0), "setresuid");
    char* const argv[] = {program, nullptr};
    execve(program, argv, argv + 1);
    die("execve");
  }
  int status = -1;
  must(waitpid(child, &status, 0), "wait");
  if (status != 0) _exit(99);
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) return 2;
  const double start = now();
  live_and_die(atoi(words[1]), words[2], words[3]);
  printf("%.1f\n", now() - start);
}
