// Makes a command believe that it has raised its limit on locked memory.
//
//   memlock COMMAND...
//
// crun 1.8 does not start a container if it cannot raise RLIMIT_MEMLOCK, as a root without CAP_SYS_RESOURCE cannot,
// although since Linux 5.11 no BPF program counts against it. So a filter answers that one call with 0, unperformed.
// Man pages: seccomp(2), setrlimit(2).
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tests/bench/measure.h"

int main(int count, char** words) {
  if (count < 2) return 2;
  // prlimit64(pid, resource, new, old), which is what setrlimit of glibc calls. A null `new` only asks; of an address
  // its lower half is told apart from null.
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prlimit64, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RLIMIT_MEMLOCK, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),  // errno 0: success
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {sizeof program / sizeof *program, program};
  must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter), "load the filter");
  execv(words[1], words + 1);
  die(words[1]);
}
