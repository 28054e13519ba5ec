// Which system calls does convox make, and how?
//
// Every system call of the host side and of the stage goes through one inline wrapper in this file. Reasons:
//  - The child of clone3(CLONE_VM) shares memory and TLS with its parent until execve, so nothing it calls may touch
//    `errno`. The wrappers never do: they return the kernel's own answer, a value >= 0 or -errno.
//  - The stage has no libc to speak of; it uses this very file.
//  - A build with MODE=faults can fail, stall or kill at the N-th call of a name (base/faults.h), so that tests
//    can visit every single step of a launch.
//
// Only calls that exist on every 64-bit architecture are used (openat, never open), so a port is one `raw`.
// Man pages: syscall(2), intro(2). Read next: result.h (how the host side turns -errno into words).
#pragma once
#include <asm/unistd.h>
#include <linux/types.h>

#ifdef CONVOX_FAULTS
#include "runtime/base/faults.h"
#endif

struct clone_args;
struct open_how;
struct mount_attr;
struct stat;
struct statx;
struct statfs;
struct sysinfo;
struct utsname;
struct pollfd;
struct msghdr;
struct rlimit64;
struct timespec;
struct itimerspec;
struct iovec;
struct epoll_event;
struct itimerspec;

namespace convox {

// A kernel error number; zero means success. Converts from the wrappers' results: a value >= 0 is no error.
struct Errno {
  int value = 0;
  constexpr Errno() = default;
  constexpr explicit Errno(long result) : value(result < 0 ? static_cast<int>(-result) : 0) {}
  explicit constexpr operator bool() const { return value != 0; }
  constexpr bool operator==(const Errno&) const = default;
};

namespace sys {

// The trap into the kernel: number and six arguments in, value or -errno out. The kernel changes nothing but the
// result register (and on x86-64 rcx and r11).  syscall(2), "Architecture calling conventions"
inline long raw(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) noexcept {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#else
#error "convox: this architecture has no system call wrapper yet"
#endif
}

inline long word(long value) noexcept { return value; }
inline long word(unsigned long value) noexcept { return static_cast<long>(value); }
inline long word(int value) noexcept { return value; }
inline long word(unsigned value) noexcept { return static_cast<long>(value); }
inline long word(const void* value) noexcept { return reinterpret_cast<long>(value); }

// One named call. `name` is what fault injection and traces know it by; release builds drop it.
template <class... Words>
inline long call([[maybe_unused]] const char* name, long number, Words... words) noexcept {
#ifdef CONVOX_FAULTS
  if (const long fault = faults::visit(name); fault < 0) return fault;
#endif
  return raw(number, word(words)...);
}

// --- files and descriptors ----------------------------------------------------------------------------------
inline long openat(int dir, const char* path, int flags, unsigned mode = 0) noexcept {
  return call("openat", __NR_openat, dir, path, flags, mode);
}
inline long openat2(int dir, const char* path, const open_how* how, unsigned long size) noexcept {
  return call("openat2", __NR_openat2, dir, path, how, size);
}
inline long close(int fd) noexcept { return call("close", __NR_close, fd); }
inline long close_range(unsigned first, unsigned last, unsigned flags) noexcept {
  return call("close_range", __NR_close_range, first, last, flags);
}
inline long read(int fd, void* buffer, unsigned long size) noexcept {
  return call("read", __NR_read, fd, buffer, size);
}
inline long write(int fd, const void* bytes, unsigned long size) noexcept {
  return call("write", __NR_write, fd, bytes, size);
}
inline long pread(int fd, void* buffer, unsigned long size, long at) noexcept {
  return call("pread64", __NR_pread64, fd, buffer, size, at);
}
inline long pwrite(int fd, const void* bytes, unsigned long size, long at) noexcept {
  return call("pwrite64", __NR_pwrite64, fd, bytes, size, at);
}
inline long pwritev(int fd, const struct iovec* parts, int count, long at) noexcept {
  return call("pwritev", __NR_pwritev, fd, parts, count, at, 0);  // the offset's upper half: of 32-bit machines
}
// With null offsets both files' own positions are used and moved.
inline long copy_file_range(int from, int to, unsigned long size) noexcept {
  return call("copy_file_range", __NR_copy_file_range, from, nullptr, to, nullptr, size, 0);
}
inline long dup3(int from, int to, int flags) noexcept { return call("dup3", __NR_dup3, from, to, flags); }
inline long fcntl(int fd, int command, long argument = 0) noexcept {
  return call("fcntl", __NR_fcntl, fd, command, argument);
}
inline long ioctl(int fd, unsigned long request, void* argument) noexcept {
  return call("ioctl", __NR_ioctl, fd, request, argument);
}
inline long ioctl(int fd, unsigned long request, long argument) noexcept {
  return call("ioctl", __NR_ioctl, fd, request, argument);
}
inline long flock(int fd, int operation) noexcept { return call("flock", __NR_flock, fd, operation); }
inline long ftruncate(int fd, long size) noexcept { return call("ftruncate", __NR_ftruncate, fd, size); }
inline long fsync(int fd) noexcept { return call("fsync", __NR_fsync, fd); }
inline long fdatasync(int fd) noexcept { return call("fdatasync", __NR_fdatasync, fd); }
inline long syncfs(int fd) noexcept { return call("syncfs", __NR_syncfs, fd); }
inline long getdents64(int fd, void* buffer, unsigned long size) noexcept {
  return call("getdents64", __NR_getdents64, fd, buffer, size);
}
inline long lseek(int fd, long offset, int whence) noexcept { return call("lseek", __NR_lseek, fd, offset, whence); }
inline long pipe2(int ends[2], int flags) noexcept { return call("pipe2", __NR_pipe2, ends, flags); }
inline long memfd_create(const char* name, unsigned flags) noexcept {
  return call("memfd_create", __NR_memfd_create, name, flags);
}
inline long mmap(void* at, unsigned long size, int protection, int flags, int fd, long offset) noexcept {
  return call("mmap", __NR_mmap, at, size, protection, flags, fd, offset);
}
inline long munmap(void* at, unsigned long size) noexcept { return call("munmap", __NR_munmap, at, size); }

// --- names ------------------------------------------------------------------------------------------------
inline long mkdirat(int dir, const char* path, unsigned mode) noexcept {
  return call("mkdirat", __NR_mkdirat, dir, path, mode);
}
inline long mknodat(int dir, const char* path, unsigned mode, unsigned device) noexcept {
  return call("mknodat", __NR_mknodat, dir, path, mode, device);
}
inline long symlinkat(const char* target, int dir, const char* path) noexcept {
  return call("symlinkat", __NR_symlinkat, target, dir, path);
}
inline long readlinkat(int dir, const char* path, char* buffer, unsigned long size) noexcept {
  return call("readlinkat", __NR_readlinkat, dir, path, buffer, size);
}
inline long unlinkat(int dir, const char* path, int flags) noexcept {
  return call("unlinkat", __NR_unlinkat, dir, path, flags);
}
inline long renameat2(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) noexcept {
  return call("renameat2", __NR_renameat2, from_dir, from, to_dir, to, flags);
}
inline long linkat(int from_dir, const char* from, int to_dir, const char* to, int flags) noexcept {
  return call("linkat", __NR_linkat, from_dir, from, to_dir, to, flags);
}
inline long fchmod(int fd, unsigned mode) noexcept { return call("fchmod", __NR_fchmod, fd, mode); }
inline long fchown(int fd, unsigned uid, unsigned gid) noexcept { return call("fchown", __NR_fchown, fd, uid, gid); }
inline long fchmodat(int dir, const char* path, unsigned mode) noexcept {
  return call("fchmodat", __NR_fchmodat, dir, path, mode);
}
inline long fchownat(int dir, const char* path, unsigned uid, unsigned gid, int flags) noexcept {
  return call("fchownat", __NR_fchownat, dir, path, uid, gid, flags);
}
inline long utimensat(int dir, const char* path, const struct timespec times[2], int flags) noexcept {
  return call("utimensat", __NR_utimensat, dir, path, times, flags);
}
inline long faccessat2(int dir, const char* path, int mode, int flags) noexcept {
  return call("faccessat2", __NR_faccessat2, dir, path, mode, flags);
}
inline long newfstatat(int dir, const char* path, struct stat* into, int flags) noexcept {
#ifdef __NR_newfstatat
  return call("newfstatat", __NR_newfstatat, dir, path, into, flags);
#else
  return call("fstatat", __NR3264_fstatat, dir, path, into, flags);
#endif
}
inline long statx(int dir, const char* path, int flags, unsigned mask, struct statx* into) noexcept {
  return call("statx", __NR_statx, dir, path, flags, mask, into);
}
inline long fstatfs(int fd, struct statfs* into) noexcept { return call("fstatfs", __NR_fstatfs, fd, into); }
inline long statfs(const char* path, struct statfs* into) noexcept { return call("statfs", __NR_statfs, path, into); }
inline long getcwd(char* buffer, unsigned long size) noexcept { return call("getcwd", __NR_getcwd, buffer, size); }
inline long chdir(const char* path) noexcept { return call("chdir", __NR_chdir, path); }
inline long chroot(const char* path) noexcept { return call("chroot", __NR_chroot, path); }
inline long fchdir(int fd) noexcept { return call("fchdir", __NR_fchdir, fd); }
inline long umask(unsigned mask) noexcept { return call("umask", __NR_umask, mask); }
inline long fgetxattr(int fd, const char* name, void* value, unsigned long size) noexcept {
  return call("fgetxattr", __NR_fgetxattr, fd, name, value, size);
}
inline long flistxattr(int fd, char* names, unsigned long size) noexcept {
  return call("flistxattr", __NR_flistxattr, fd, names, size);
}
inline long fsetxattr(int fd, const char* name, const void* value, unsigned long size, int flags) noexcept {
  return call("fsetxattr", __NR_fsetxattr, fd, name, value, size, flags);
}

// --- mounts: built detached, attached by descriptor (hardening: nothing is ever mounted by a path string) ----
inline long fsopen(const char* type, unsigned flags) noexcept { return call("fsopen", __NR_fsopen, type, flags); }
inline long fsconfig(int fd, unsigned command, const char* key, const void* value, int aux) noexcept {
  return call("fsconfig", __NR_fsconfig, fd, command, key, value, aux);
}
inline long fsmount(int fd, unsigned flags, unsigned attributes) noexcept {
  return call("fsmount", __NR_fsmount, fd, flags, attributes);
}
inline long open_tree(int dir, const char* path, unsigned flags) noexcept {
  return call("open_tree", __NR_open_tree, dir, path, flags);
}
inline long move_mount(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) noexcept {
  return call("move_mount", __NR_move_mount, from_dir, from, to_dir, to, flags);
}
inline long mount_setattr(int dir, const char* path, unsigned flags, mount_attr* attributes,
                          unsigned long size) noexcept {
  return call("mount_setattr", __NR_mount_setattr, dir, path, flags, attributes, size);
}
// Only to change the propagation of a mount that exists; everything else is fsmount and open_tree.
inline long mount(const char* source, const char* target, const char* type, unsigned long flags,
                  const char* data) noexcept {
  return call("mount", __NR_mount, source, target, type, flags, data);
}
inline long umount2(const char* target, int flags) noexcept { return call("umount2", __NR_umount2, target, flags); }
inline long pivot_root(const char* new_root, const char* put_old) noexcept {
  return call("pivot_root", __NR_pivot_root, new_root, put_old);
}

// --- processes, namespaces, identity ---------------------------------------------------------------------------
inline long clone3(clone_args* how, unsigned long size) noexcept { return call("clone3", __NR_clone3, how, size); }
inline long execveat(int dir, const char* path, char* const* argv, char* const* envp, int flags) noexcept {
  return call("execveat", __NR_execveat, dir, path, argv, envp, flags);
}
inline long execve(const char* path, char* const* argv, char* const* envp) noexcept {
  return call("execve", __NR_execve, path, argv, envp);
}
// A child with a copy of this memory, as fork(2) makes it, but its end is announced by no signal, only by the pidfd:
// the caller may be waiting for SIGCHLD of somebody else. Wait for it with __WALL.  clone(2)
inline long fork(int* pidfd) noexcept {
  return call("clone", __NR_clone, 0x1000 /* CLONE_PIDFD */, nullptr, pidfd, nullptr, nullptr);
}
[[noreturn]] inline void exit_group(int status) noexcept {
  for (;;) raw(__NR_exit_group, status);
}
inline long waitid(int type, int id, void* info, int options) noexcept {
  return call("waitid", __NR_waitid, type, id, info, options, nullptr);
}
inline long wait4(int pid, int* status, int options) noexcept {
  return call("wait4", __NR_wait4, pid, status, options, nullptr);
}
// fork(2) without a libc: a copy of this process, which sends SIGCHLD when it ends. 0 in the child.
inline long fork() noexcept { return call("clone", __NR_clone, 17 /* SIGCHLD */, nullptr, nullptr, nullptr, nullptr); }
inline long getpgid(int pid) noexcept { return call("getpgid", __NR_getpgid, pid); }
inline long setpgid(int pid, int group) noexcept { return call("setpgid", __NR_setpgid, pid, group); }
inline long pidfd_open(int pid, unsigned flags) noexcept { return call("pidfd_open", __NR_pidfd_open, pid, flags); }
inline long pidfd_send_signal(int pidfd, int signal) noexcept {
  return call("pidfd_send_signal", __NR_pidfd_send_signal, pidfd, signal, nullptr, 0);
}
inline long kill(int pid, int signal) noexcept { return call("kill", __NR_kill, pid, signal); }
inline long getpid() noexcept { return call("getpid", __NR_getpid); }
inline long getppid() noexcept { return call("getppid", __NR_getppid); }
inline long setns(int fd, int kinds) noexcept { return call("setns", __NR_setns, fd, kinds); }
inline long unshare(int kinds) noexcept { return call("unshare", __NR_unshare, kinds); }
inline long setsid() noexcept { return call("setsid", __NR_setsid); }
inline long setgroups(unsigned count, const unsigned* groups) noexcept {
  return call("setgroups", __NR_setgroups, count, groups);
}
inline long getgroups(int size, unsigned* groups) noexcept { return call("getgroups", __NR_getgroups, size, groups); }
inline long setresuid(unsigned real, unsigned effective, unsigned saved) noexcept {
  return call("setresuid", __NR_setresuid, real, effective, saved);
}
inline long setresgid(unsigned real, unsigned effective, unsigned saved) noexcept {
  return call("setresgid", __NR_setresgid, real, effective, saved);
}
inline long getresuid(unsigned* real, unsigned* effective, unsigned* saved) noexcept {
  return call("getresuid", __NR_getresuid, real, effective, saved);
}
inline long getresgid(unsigned* real, unsigned* effective, unsigned* saved) noexcept {
  return call("getresgid", __NR_getresgid, real, effective, saved);
}
// Both answer with the previous id and report no error: what they did must be asked for again.  setfsuid(2)
inline long setfsuid(unsigned uid) noexcept { return call("setfsuid", __NR_setfsuid, uid); }
inline long setfsgid(unsigned gid) noexcept { return call("setfsgid", __NR_setfsgid, gid); }
inline long capset(void* header, const void* data) noexcept { return call("capset", __NR_capset, header, data); }
inline long capget(void* header, void* data) noexcept { return call("capget", __NR_capget, header, data); }
inline long prctl(int option, unsigned long a = 0, unsigned long b = 0, unsigned long c = 0,
                  unsigned long d = 0) noexcept {
  return call("prctl", __NR_prctl, option, a, b, c, d);
}
inline long seccomp(unsigned operation, unsigned flags, const void* argument) noexcept {
  return call("seccomp", __NR_seccomp, operation, flags, argument);
}
inline long bpf(int command, void* attributes, unsigned size) noexcept {
  return call("bpf", __NR_bpf, command, attributes, size);
}
inline long keyctl(int operation, unsigned long a = 0, unsigned long b = 0) noexcept {
  return call("keyctl", __NR_keyctl, operation, a, b);
}
inline long prlimit64(int pid, int resource, const struct rlimit64* set, struct rlimit64* old) noexcept {
  return call("prlimit64", __NR_prlimit64, pid, resource, set, old);
}
inline long setpriority(int which, int who, int value) noexcept {
  return call("setpriority", __NR_setpriority, which, who, value);
}
inline long sched_setscheduler(int pid, int policy, const void* parameters) noexcept {
  return call("sched_setscheduler", __NR_sched_setscheduler, pid, policy, parameters);
}
inline long sched_setaffinity(int pid, unsigned long size, const void* mask) noexcept {
  return call("sched_setaffinity", __NR_sched_setaffinity, pid, size, mask);
}
// `attributes`: a struct sched_attr, which says how large it is.
inline long sched_setattr(int pid, const void* attributes) noexcept {
  return call("sched_setattr", __NR_sched_setattr, pid, attributes, 0);
}
inline long set_mempolicy(int mode, const void* nodes, unsigned long bits) noexcept {
  return call("set_mempolicy", __NR_set_mempolicy, mode, nodes, bits);
}
inline long ioprio_set(int which, int who, int priority) noexcept {
  return call("ioprio_set", __NR_ioprio_set, which, who, priority);
}
inline long personality(unsigned long persona) noexcept { return call("personality", __NR_personality, persona); }
inline long sethostname(const char* name, unsigned long size) noexcept {
  return call("sethostname", __NR_sethostname, name, size);
}
inline long uname(struct utsname* into) noexcept { return call("uname", __NR_uname, into); }
inline long sysinfo(struct sysinfo* into) noexcept { return call("sysinfo", __NR_sysinfo, into); }
inline long setdomainname(const char* name, unsigned long size) noexcept {
  return call("setdomainname", __NR_setdomainname, name, size);
}

// --- signals, waiting, messages --------------------------------------------------------------------------------
inline long rt_sigaction(int signal, const void* set, void* old) noexcept {
  return call("rt_sigaction", __NR_rt_sigaction, signal, set, old, 8);
}
inline long rt_sigprocmask(int how, const unsigned long* set, unsigned long* old) noexcept {
  return call("rt_sigprocmask", __NR_rt_sigprocmask, how, set, old, 8);
}
inline long rt_sigtimedwait(const unsigned long* set, void* info, struct timespec* timeout) noexcept {
  return call("rt_sigtimedwait", __NR_rt_sigtimedwait, set, info, timeout, 8);
}
inline long inotify_init1(int flags) noexcept { return call("inotify_init1", __NR_inotify_init1, flags); }
inline long inotify_add_watch(int fd, const char* path, unsigned mask) noexcept {
  return call("inotify_add_watch", __NR_inotify_add_watch, fd, path, mask);
}
inline long inotify_rm_watch(int fd, int watch) noexcept {
  return call("inotify_rm_watch", __NR_inotify_rm_watch, fd, watch);
}
inline long signalfd4(int fd, const unsigned long* mask, int flags) noexcept {
  return call("signalfd4", __NR_signalfd4, fd, mask, 8, flags);
}
inline long ppoll(struct pollfd* fds, unsigned count, struct timespec* timeout) noexcept {
  return call("ppoll", __NR_ppoll, fds, count, timeout, nullptr, 8);
}
inline long epoll_create1(int flags) noexcept { return call("epoll_create1", __NR_epoll_create1, flags); }
inline long epoll_ctl(int epoll, int operation, int fd, struct epoll_event* event) noexcept {
  return call("epoll_ctl", __NR_epoll_ctl, epoll, operation, fd, event);
}
inline long epoll_wait(int epoll, struct epoll_event* into, int most, int timeout) noexcept {
  return call("epoll_pwait", __NR_epoll_pwait, epoll, into, most, timeout, nullptr, 8);
}
inline long timerfd_create(int clock, int flags) noexcept {
  return call("timerfd_create", __NR_timerfd_create, clock, flags);
}
inline long timerfd_settime(int fd, int flags, const struct itimerspec* set, struct itimerspec* old) noexcept {
  return call("timerfd_settime", __NR_timerfd_settime, fd, flags, set, old);
}
inline long socketpair(int domain, int type, int protocol, int ends[2]) noexcept {
  return call("socketpair", __NR_socketpair, domain, type, protocol, ends);
}
inline long socket(int domain, int type, int protocol) noexcept {
  return call("socket", __NR_socket, domain, type, protocol);
}
// `address`: a struct sockaddr of `size` bytes.
inline long bind(int fd, const void* address, unsigned size) noexcept {
  return call("bind", __NR_bind, fd, address, size);
}
inline long connect(int fd, const void* address, unsigned size) noexcept {
  return call("connect", __NR_connect, fd, address, size);
}
inline long listen(int fd, int waiting) noexcept { return call("listen", __NR_listen, fd, waiting); }
inline long accept4(int fd, int flags) noexcept { return call("accept4", __NR_accept4, fd, nullptr, nullptr, flags); }
inline long shutdown(int fd, int how) noexcept { return call("shutdown", __NR_shutdown, fd, how); }
inline long setsockopt(int fd, int level, int option, const void* value, unsigned size) noexcept {
  return call("setsockopt", __NR_setsockopt, fd, level, option, value, size);
}
inline long getsockopt(int fd, int level, int option, void* value, unsigned* size) noexcept {
  return call("getsockopt", __NR_getsockopt, fd, level, option, value, size);
}
inline long getsockname(int fd, void* address, unsigned* size) noexcept {
  return call("getsockname", __NR_getsockname, fd, address, size);
}
inline long sendmsg(int fd, const struct msghdr* message, int flags) noexcept {
  return call("sendmsg", __NR_sendmsg, fd, message, flags);
}
inline long recvmsg(int fd, struct msghdr* message, int flags) noexcept {
  return call("recvmsg", __NR_recvmsg, fd, message, flags);
}
inline long clock_gettime(int clock, struct timespec* into) noexcept {
  return call("clock_gettime", __NR_clock_gettime, clock, into);
}
inline long getrandom(void* buffer, unsigned long size, unsigned flags) noexcept {
  return call("getrandom", __NR_getrandom, buffer, size, flags);
}

}  // namespace sys
}  // namespace convox
