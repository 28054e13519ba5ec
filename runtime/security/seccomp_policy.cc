#include "runtime/security/seccomp_policy.h"

#include <asm/ioctls.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/personality.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace convox::security {
namespace {

constexpr CapabilitySet kNoCapability = 0;

constexpr CallRow kCalls[] = {
    {"files, directories, extended attributes", kNoCapability, kAllow,
     "access faccessat faccessat2 open openat openat2 creat close close_range dup dup2 dup3 fcntl flock "
     "read write readv writev pread64 pwrite64 preadv preadv2 pwritev pwritev2 lseek sendfile copy_file_range splice "
     "tee "
     "fallocate fadvise64 readahead sync syncfs fsync fdatasync sync_file_range truncate ftruncate "
     "stat lstat fstat newfstatat statx statfs fstatfs getdents getdents64 getcwd chdir fchdir mkdir mkdirat rmdir "
     "link linkat symlink symlinkat readlink readlinkat unlink unlinkat rename renameat renameat2 mknod mknodat "
     "chmod fchmod fchmodat fchmodat2 chown lchown fchown fchownat umask utime utimes futimesat utimensat "
     "getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr listxattr llistxattr flistxattr "
     "removexattr lremovexattr fremovexattr getxattrat setxattrat listxattrat removexattrat "
     "name_to_handle_at inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark "
     "cachestat statmount listmount landlock_create_ruleset landlock_add_rule landlock_restrict_self"},
    {"memory", kNoCapability, kAllow,
     "brk mmap munmap mremap mprotect madvise msync mincore mlock mlock2 munlock mlockall munlockall "
     "memfd_create memfd_secret membarrier mseal pkey_alloc pkey_free pkey_mprotect remap_file_pages map_shadow_stack "
     "process_mrelease shmget shmat shmctl shmdt"},
    {"processes, time, signals", kNoCapability, kAllow,
     "execve execveat exit exit_group fork vfork wait4 waitid kill tkill tgkill pidfd_open pidfd_send_signal "
     "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
     "rt_tgsigqueueinfo sigaltstack pause alarm getitimer setitimer nanosleep "
     "clock_getres clock_gettime clock_nanosleep clock_adjtime adjtimex gettimeofday time times "
     "timer_create timer_delete timer_getoverrun timer_gettime timer_settime "
     "timerfd_create timerfd_gettime timerfd_settime "
     "futex futex_wait futex_waitv futex_wake futex_requeue get_robust_list set_robust_list set_tid_address rseq "
     "sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam "
     "sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval "
     "sched_yield getpriority setpriority ioprio_get ioprio_set prctl arch_prctl getrlimit setrlimit prlimit64 "
     "getrusage "
     "sysinfo uname getcpu restart_syscall seccomp uretprobe"},
    {"ids", kNoCapability, kAllow,
     "getuid geteuid getresuid setuid setreuid setresuid setfsuid getgid getegid getresgid setgid setregid setresgid "
     "setfsgid getgroups setgroups getpid getppid gettid getpgid getpgrp setpgid getsid setsid capget capset"},
    {"pipes, sockets, messages, polling", kNoCapability, kAllow,
     "pipe pipe2 eventfd eventfd2 signalfd signalfd4 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait "
     "epoll_pwait2 poll ppoll select pselect6 bind connect listen accept accept4 sendto sendmsg sendmmsg "
     "recvfrom recvmsg recvmmsg shutdown getsockopt setsockopt getsockname getpeername "
     "msgget msgsnd msgrcv msgctl semget semop semtimedop semctl "
     "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr "
     "io_setup io_submit io_getevents io_pgetevents io_cancel io_destroy getrandom"},
    // Since Linux 4.8 a tracer cannot get past the filter of its tracee: seccomp(2).
    {"debugging", kNoCapability, kAllow, "ptrace process_vm_readv process_vm_writev"},

    // The attack surface that every local root exploit of the last years went through: mounts and namespaces.
    {"mounts, namespaces, administration", bit(CAP_SYS_ADMIN), EPERM,
     "mount umount2 move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr setns "
     "sethostname setdomainname quotactl quotactl_fd fanotify_init lsm_get_self_attr lsm_set_self_attr "
     "lsm_list_modules lookup_dcookie"},
    // Its flags lie behind a pointer. ENOSYS makes every libc use clone, whose flags can be seen.
    {"clone3", bit(CAP_SYS_ADMIN), ENOSYS, "clone3"},
    {"eBPF", bit(CAP_SYS_ADMIN) | bit(CAP_BPF), EPERM, "bpf"},
    {"performance counters", bit(CAP_SYS_ADMIN) | bit(CAP_PERFMON), EPERM, "perf_event_open"},
    {"kernel log", bit(CAP_SYS_ADMIN) | bit(CAP_SYSLOG), EPERM, "syslog"},
    // With it a file of the host can be opened by guessing its inode number ("shocker").
    {"files by handle", bit(CAP_DAC_READ_SEARCH), EPERM, "open_by_handle_at"},
    {"chroot", bit(CAP_SYS_CHROOT), EPERM, "chroot"},
    {"kernel modules", bit(CAP_SYS_MODULE), EPERM, "init_module finit_module delete_module"},
    {"process accounting", bit(CAP_SYS_PACCT), EPERM, "acct"},
    {"other processes' insides", bit(CAP_SYS_PTRACE), EPERM, "kcmp pidfd_getfd process_madvise"},
    {"I/O ports", bit(CAP_SYS_RAWIO), EPERM, "iopl ioperm"},
    {"the clock", bit(CAP_SYS_TIME), EPERM, "settimeofday clock_settime"},
    {"terminals of others", bit(CAP_SYS_TTY_CONFIG), EPERM, "vhangup"},
    {"memory placement", bit(CAP_SYS_NICE), EPERM, "mbind get_mempolicy set_mempolicy set_mempolicy_home_node"},
    {"reboot", bit(CAP_SYS_BOOT), EPERM, "reboot"},

    {"keyrings: not namespaced, so shared with the host", kNoCapability, EPERM, "keyctl add_key request_key"},
    {"stopping the kernel in the middle of a copy widens every race", kNoCapability, EPERM, "userfaultfd"},
    {"does file and socket work that no filter sees", kNoCapability, EPERM,
     "io_uring_setup io_uring_enter io_uring_register"},
    {"pins pages of others (CVE-2020-29374)", kNoCapability, EPERM, "vmsplice"},
    {"the host's memory, swap and kernel", kNoCapability, EPERM,
     "pivot_root move_pages migrate_pages kexec_load kexec_file_load swapon swapoff"},
    {"obsolete, and so little tested", kNoCapability, EPERM,
     "nfsservctl modify_ldt uselib ustat sysfs _sysctl vm86 vm86old create_module query_module get_kernel_syms"},
};

constexpr std::uint32_t kAll = 0xffffffff;
constexpr std::uint32_t kCloneNamespaces =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
static_assert(kCloneNamespaces == 0x7e020000);
// In clone's flags this bit belongs to the exit signal; only unshare and clone3 can make a time namespace.
constexpr std::uint32_t kUnshareNamespaces = kCloneNamespaces | CLONE_NEWTIME;
// Personalities of Linux itself: PER_LINUX or PER_LINUX32, and UNAME26. What is refused turns off address randomisation
// or makes data executable.  personality(2)
constexpr std::uint32_t kHarmlessPersonality = std::uint32_t{PER_LINUX32} | UNAME26;
static_assert(kHarmlessPersonality == 0x20008);

constexpr ArgumentTest is(int argument, std::uint32_t value) { return {argument, kAll, value}; }
constexpr ArgumentTest none_of(int argument, std::uint32_t bits) { return {argument, bits, 0}; }
constexpr ArgumentTest any(int argument) { return {argument, 0, 0}; }
constexpr ArgumentTest kAlone{};

// The last row of a call answers whatever its argument is. A row whose first test stands in a row with a second one,
// too, says `any` for that second argument.
constexpr ArgumentRow kArguments[] = {
    // clone(flags, ...), on x86-64 and aarch64; unshare(flags).
    {"clone", none_of(0, kCloneNamespaces), kAlone, kNoCapability, kAllow},
    {"clone", any(0), kAlone, bit(CAP_SYS_ADMIN), EPERM},
    {"unshare", none_of(0, kUnshareNamespaces), kAlone, kNoCapability, kAllow},
    {"unshare", any(0), kAlone, bit(CAP_SYS_ADMIN), EPERM},
    // ioctl(fd, command, ...): both put input into a terminal as if it had been typed there (CVE-2017-5226).
    {"ioctl", is(1, TIOCSTI), kAlone, kNoCapability, EPERM},
    {"ioctl", is(1, TIOCLINUX), kAlone, kNoCapability, EPERM},
    {"ioctl", any(1), kAlone, kNoCapability, kAllow},
    {"personality", is(0, 0xffffffff), kAlone, kNoCapability, kAllow},  // only asks
    {"personality", none_of(0, ~kHarmlessPersonality), kAlone, kNoCapability, kAllow},
    {"personality", any(0), kAlone, kNoCapability, EPERM},
    // socket(family, type, protocol): an allow-list, because each deny-list came too late (AF_ALG: CVE-2026-31431,
    // AF_RXRPC: CVE-2026-43500). The audit socket says EINVAL so that sshd and sudo go on without it.
    {"socket", is(0, AF_UNIX), kAlone, kNoCapability, kAllow},
    {"socket", is(0, AF_INET), kAlone, kNoCapability, kAllow},
    {"socket", is(0, AF_INET6), kAlone, kNoCapability, kAllow},
    {"socket", is(0, AF_PACKET), kAlone, kNoCapability, kAllow},
    {"socket", is(0, AF_NETLINK), is(2, NETLINK_AUDIT), bit(CAP_AUDIT_WRITE), EINVAL},
    {"socket", is(0, AF_NETLINK), any(2), kNoCapability, kAllow},
    {"socket", any(0), kAlone, kNoCapability, EAFNOSUPPORT},
    {"socketpair", is(0, AF_UNIX), kAlone, kNoCapability, kAllow},
    {"socketpair", any(0), kAlone, kNoCapability, ENOSYS},
};

// Calls younger than libseccomp 2.5.4 (Linux 5.17). From number 424 on all architectures share one numbering.
struct Young {
  std::string_view name;
  int number;
};
constexpr Young kYoung[] = {
    {"cachestat", 451},         {"fchmodat2", 452},         {"map_shadow_stack", 453}, {"futex_wake", 454},
    {"futex_wait", 455},        {"futex_requeue", 456},     {"statmount", 457},        {"listmount", 458},
    {"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},        {"listxattrat", 465},      {"removexattrat", 466},
    {"open_tree_attr", 467},
#if defined(__x86_64__)
    {"uretprobe", 335},  // made by the kernel's own trampoline; a refusal kills a process that is being probed
#else
    {"uretprobe", kNotHere},
#endif
};

}  // namespace

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) found.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return found;
}

std::span<const CallRow> call_rows() { return kCalls; }

std::vector<std::span<const ArgumentRow>> argument_rows() {
  const std::span<const ArgumentRow> all = kArguments;
  std::vector<std::span<const ArgumentRow>> calls;
  for (std::size_t at = 0, end = 0; at < all.size(); at = end) {
    while (end < all.size() && all[end].call == all[at].call) ++end;
    calls.push_back(all.subspan(at, end - at));
  }
  return calls;
}

CapabilitySet policy_capabilities() {
  CapabilitySet set = 0;
  for (const CallRow& row : kCalls) set |= row.allowed_with;
  for (const ArgumentRow& row : kArguments) set |= row.allowed_with;
  return set;
}

Result<int> call_number(std::string_view name) {
  // Negative numbers are libseccomp's way to say "on other architectures": seccomp_syscall_resolve_name(3)
  const int known = seccomp_syscall_resolve_name(std::string(name).c_str());
  if (known != __NR_SCMP_ERROR) return known < 0 ? kNotHere : known;
  for (const Young& young : kYoung)
    if (young.name == name) return young.number;
  return invalid(cat("no architecture has a system call '", name, "'"));
}

}  // namespace convox::security
