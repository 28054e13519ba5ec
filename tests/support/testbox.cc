// The payload of the integration tests: a static program of small acts, one word each, that tells what a container
// really is.
//
//   testbox confinement          every fact of this process that a container runtime decides, as sorted-by-kind
//   key=value lines testbox eat MB               touches so much memory, then says `ate MB` testbox try-syscall NAME...
//   calls each with harmless arguments and prints NAME=ERRNO (seccomp shows as EPERM or a signal)
// All others stand in the table at the end. It is linked with nothing but libc, and calls libc: it is not part of
// convox. Man pages: proc(5), capabilities(7), namespaces(7).
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <initializer_list>

extern char** environ;

namespace {

// --- confinement
// ------------------------------------------------------------------------------------------------------

void print_identity() {
  uid_t real = 0, effective = 0, saved = 0;
  gid_t groups[256];
  getresuid(&real, &effective, &saved);
  printf("uids=%u %u %u\n", real, effective, saved);
  getresgid(&real, &effective, &saved);
  printf("gids=%u %u %u\ngroups=", real, effective, saved);
  const int count = getgroups(256, groups);
  for (int at = 0; at < count; ++at) printf("%s%u", at ? " " : "", groups[at]);
  printf("\npid=%d\nppid=%d\nsid=%d\npgrp=%d\n", getpid(), getppid(), getsid(0), getpgrp());
}

// The lines of /proc/self/status that a runtime decides, under short names of ours.
void print_status() {
  static const char* const wanted[][2] = {{"CapInh:", "cap_inheritable"}, {"CapPrm:", "cap_permitted"},
                                          {"CapEff:", "cap_effective"},   {"CapBnd:", "cap_bounding"},
                                          {"CapAmb:", "cap_ambient"},     {"NoNewPrivs:", "no_new_privs"},
                                          {"Seccomp:", "seccomp"},        {"Seccomp_filters:", "seccomp_filters"},
                                          {"SigBlk:", "signals_blocked"}, {"SigIgn:", "signals_ignored"},
                                          {"SigCgt:", "signals_caught"},  {"Umask:", "umask"},
                                          {"Threads:", "threads"},        {"Cpus_allowed_list:", "cpus"}};
  FILE* status = fopen("/proc/self/status", "re");
  if (!status) {
    printf("status=%s\n", strerror(errno));
    return;
  }
  char line[4096];
  while (fgets(line, sizeof line, status))
    for (const auto& [label, name] : wanted)
      if (strncmp(line, label, strlen(label)) == 0)
        printf("%s=%s", name, line + strlen(label) + strspn(line + strlen(label), " \t"));
  fclose(status);
}

void print_process() {
  int death_signal = 0;
  prctl(PR_GET_PDEATHSIG, &death_signal);
  char directory[4096], score[16] = "";
  if (FILE* file = fopen("/proc/self/oom_score_adj", "re")) {
    if (!fgets(score, sizeof score, file)) score[0] = 0;
    fclose(file);
    score[strcspn(score, "\n")] = 0;
  }
  errno = 0;
  printf("nice=%d\noom_score_adj=%s\n", getpriority(PRIO_PROCESS, 0), score);
  printf("scheduler=%d\nio_priority=%ld\n", sched_getscheduler(0), syscall(SYS_ioprio_get, 1, 0));
  printf("personality=%x\ntimer_slack=%d\nsecurebits=%x\ndumpable=%d\ndeath_signal=%d\n",
         static_cast<unsigned>(personality(0xffffffff)), prctl(PR_GET_TIMERSLACK),
         static_cast<unsigned>(prctl(PR_GET_SECUREBITS)), prctl(PR_GET_DUMPABLE), death_signal);
  printf("cwd=%s\n", getcwd(directory, sizeof directory) ? directory : strerror(errno));
  utsname host{};
  uname(&host);
  printf("hostname=%s\ndomainname=%s\n", host.nodename, host.domainname);
  static const char* const limits[] = {"cpu",      "fsize",  "data",    "stack", "core",  "rss",
                                       "nproc",    "nofile", "memlock", "as",    "locks", "sigpending",
                                       "msgqueue", "nice",   "rtprio",  "rttime"};
  for (unsigned at = 0; at < sizeof limits / sizeof *limits; ++at) {
    rlimit limit{};
    getrlimit(static_cast<__rlimit_resource>(at), &limit);
    printf("rlimit_%s=%lld %lld\n", limits[at], static_cast<long long>(limit.rlim_cur),
           static_cast<long long>(limit.rlim_max));
  }
}

void print_links(const char* directory, const char* key) {
  DIR* open = opendir(directory);
  if (!open) return;
  while (const dirent* entry = readdir(open)) {
    if (entry->d_name[0] == '.') continue;
    if (strcmp(directory, "/proc/self/fd") == 0 && atoi(entry->d_name) == dirfd(open)) continue;  // this very listing
    char target[4096];
    const ssize_t size = readlinkat(dirfd(open), entry->d_name, target, sizeof target - 1);
    if (size < 0) continue;
    target[size] = 0;
    printf("%s%s=%s\n", key, entry->d_name, target);
  }
  closedir(open);
}

void print_file(const char* path, const char* key) {
  FILE* file = fopen(path, "re");
  if (!file) return;
  char line[8192];
  while (fgets(line, sizeof line, file)) printf("%s=%s", key, line);
  fclose(file);
}

// mount=POINT OPTIONS TYPE SUPER-OPTIONS: the fields of mountinfo that do not differ from one run to the next.
void print_mounts() {
  FILE* mounts = fopen("/proc/self/mountinfo", "re");
  if (!mounts) return;
  char line[8192];
  while (fgets(line, sizeof line, mounts)) {
    char point[4096], options[1024], type[256] = "", super[4096] = "", source[4096] = "";
    int after = 0;
    if (sscanf(line, "%*d %*d %*s %*s %4095s %1023s%n", point, options, &after) != 2) continue;
    const char* tail = strstr(line + after, " - ");
    if (tail) sscanf(tail, " - %255s %4095s %4095s", type, source, super);
    const bool shared = strstr(line + after, " shared:"), slave = strstr(line + after, " master:");
    printf("mount=%s %s %s %s%s%s\n", point, options, type, super, shared ? " SHARED" : "", slave ? " SLAVE" : "");
  }
  fclose(mounts);
}

// What stands where the kernel shows, or would show, the host's secrets. `open` means that its content can be read.
void print_masks() {
  static const char* const paths[] = {"/proc/acpi",
                                      "/proc/asound",
                                      "/proc/bus",
                                      "/proc/fs",
                                      "/proc/interrupts",
                                      "/proc/irq",
                                      "/proc/kcore",
                                      "/proc/keys",
                                      "/proc/kmsg",
                                      "/proc/latency_stats",
                                      "/proc/sched_debug",
                                      "/proc/scsi",
                                      "/proc/sys",
                                      "/proc/sysrq-trigger",
                                      "/proc/sys/kernel/core_pattern",
                                      "/proc/sys/vm/panic_on_oom",
                                      "/proc/timer_list",
                                      "/proc/timer_stats",
                                      "/sys/firmware",
                                      "/sys/fs/selinux",
                                      "/sys/kernel",
                                      "/sys/devices/virtual/powercap",
                                      "/sys/dev/block",
                                      "/sys/devices/system/cpu"};
  for (const char* path : paths) {
    struct stat st {};
    struct statvfs fs {};
    if (lstat(path, &st) < 0) {
      printf("mask_%s=absent\n", path);
      continue;
    }
    const bool frozen = statvfs(path, &fs) == 0 && (fs.f_flag & ST_RDONLY);
    const char* what = "open";
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) what = "null";
    if (S_ISDIR(st.st_mode)) {
      DIR* open = opendir(path);
      int entries = 0;
      while (open && readdir(open)) ++entries;
      if (open) closedir(open);
      what = !open ? "refused" : entries <= 2 ? "empty" : "open";
    } else if (S_ISREG(st.st_mode)) {
      const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
      what = fd < 0 ? "refused" : "open";
      if (fd >= 0) close(fd);
    }
    printf("mask_%s=%s%s\n", path, what, frozen ? " read-only" : "");
  }
}

void print_devices() {
  DIR* open = opendir("/dev");
  if (!open) return;
  while (const dirent* entry = readdir(open)) {
    struct stat st {};
    if (entry->d_name[0] == '.' || fstatat(dirfd(open), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
    printf("device_%s=%06o %u:%u %u:%u\n", entry->d_name, st.st_mode, st.st_uid, st.st_gid, major(st.st_rdev),
           minor(st.st_rdev));
  }
  closedir(open);
}

int confinement(char**) {
  print_links("/proc/self/fd", "fd_");  // first, before anything here opens more
  print_identity();
  print_status();
  print_process();
  print_links("/proc/self/ns", "namespace_");
  print_file("/proc/self/uid_map", "uid_map");
  print_file("/proc/self/gid_map", "gid_map");
  print_file("/proc/self/setgroups", "setgroups");
  print_file("/proc/self/cgroup", "cgroup");
  print_mounts();
  print_masks();
  print_devices();
  for (char** variable = environ; *variable; ++variable) printf("env=%s\n", *variable);
  return 0;
}

// --- system calls ---------------------------------------------------------------------------------------------------

// Arguments are all -1 or null: whoever lets the call through gets EFAULT, EBADF or EINVAL from it, never an effect.
struct Call {
  const char* name;
  long number;
};
#define CALL(name) \
  { #name, SYS_##name }
const Call kCalls[] = {
    CALL(acct),
    CALL(add_key),
    CALL(bpf),
    CALL(chroot),
    CALL(clock_settime),
    CALL(clone3),
    CALL(delete_module),
    CALL(fanotify_init),
    CALL(finit_module),
    CALL(fsconfig),
    CALL(fsmount),
    CALL(fsopen),
    CALL(fspick),
    CALL(getcpu),
    CALL(init_module),
    CALL(io_uring_setup),
    CALL(kcmp),
    CALL(kexec_load),
    CALL(keyctl),
    CALL(mbind),
    CALL(mknodat),
    CALL(mount),
    CALL(mount_setattr),
    CALL(move_mount),
    CALL(name_to_handle_at),
    CALL(open_by_handle_at),
    CALL(open_tree),
    CALL(openat2),
    CALL(perf_event_open),
    CALL(pidfd_getfd),
    CALL(pidfd_open),
    CALL(pivot_root),
    CALL(process_vm_readv),
    CALL(process_vm_writev),
    CALL(ptrace),
    CALL(quotactl),
    CALL(reboot),
    CALL(request_key),
    CALL(sethostname),
    CALL(setns),
    CALL(settimeofday),
    CALL(swapoff),
    CALL(swapon),
    CALL(syslog),
    CALL(umount2),
    CALL(unshare),
    CALL(userfaultfd),
    CALL(vhangup),
};
#undef CALL

int try_syscall(char** names) {
  for (; *names; ++names) {
    char* rest = nullptr;
    long number = strtol(*names, &rest, 0);
    if (*rest != 0) {
      number = -1;
      for (const Call& call : kCalls)
        if (strcmp(call.name, *names) == 0) number = call.number;
      if (number < 0) {
        printf("%s=unknown\n", *names);
        continue;
      }
    }
    fflush(stdout);  // the filter may kill us: the child only, and the parent says so
    const pid_t child = fork();
    if (child == 0) {
      // vhangup and the like take no argument that could be wrong; they run in a child without a terminal.
      setsid();
      const long result = syscall(static_cast<int>(number), -1L, 0L, 0L, 0L, 0L, 0L);
      printf("%s=%s\n", *names, result < 0 ? strerrorname_np(errno) : "ok");
      fflush(stdout);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) printf("%s=SIG%s\n", *names, sigabbrev_np(WTERMSIG(status)));
  }
  return 0;
}

// --- the other acts
// ---------------------------------------------------------------------------------------------------

long number(char** words) { return *words ? strtol(*words, nullptr, 0) : 0; }

int say(char** words) {
  for (; *words; ++words) printf("%s\n", *words);
  return 0;
}

int copy_input(char**) {
  char buffer[65536];
  for (ssize_t got; (got = read(0, buffer, sizeof buffer)) > 0;)
    for (ssize_t put, at = 0; at < got; at += put)
      if ((put = write(1, buffer + at, static_cast<size_t>(got - at))) < 0) return 1;
  return 0;
}

int eat(char** words) {
  const size_t size = static_cast<size_t>(number(words)) << 20;
  char* memory = static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (memory == MAP_FAILED) return 1;
  for (size_t at = 0; at < size; at += 4096) memory[at] = 1;
  printf("ate %ld\n", number(words));
  return 0;
}

// Eats as above, says so, and keeps it for so many seconds.
int hold(char** words) {
  setvbuf(stdout, nullptr, _IONBF, 0);
  const int failed = eat(words);
  if (!failed) sleep(static_cast<unsigned>(number(words + 1)));
  return failed;
}

// Says how many children it could have at once, at most 100,000.
int fork_bomb(char**) {
  int children = 0;
  for (; children < 100'000; ++children) {
    const pid_t child = fork();
    if (child < 0) break;
    if (child == 0) {
      pause();
      _exit(0);
    }
  }
  printf("children=%d %s\n", children, strerrorname_np(errno));
  fflush(stdout);
  signal(SIGTERM, SIG_IGN);
  kill(0, SIGTERM);  // the group: the children, not us
  while (wait(nullptr) > 0) {
  }
  return 0;
}

int spin(char** words) {
  timespec start{}, now{};
  clock_gettime(CLOCK_MONOTONIC, &start);
  do clock_gettime(CLOCK_MONOTONIC, &now);
  while (now.tv_sec - start.tv_sec < number(words));
  return 0;
}

int nap(char** words) {
  sleep(static_cast<unsigned>(number(words)));
  return 0;
}

int leave(char** words) { return static_cast<int>(number(words)); }

int kill_self(char** words) {
  // PID 1 of a namespace ignores signals for which it has no handler, from itself too; SIGKILL and SIGSTOP as well:
  // pid_namespaces(7)
  kill(getpid(), static_cast<int>(number(words)));
  return 0;
}

int crash(char**) {  // a fault of the processor is never ignored, not even by PID 1
  *static_cast<volatile char*>(nullptr) = 1;
  return 0;
}

int ignore_term(char** words) {
  signal(SIGTERM, SIG_IGN);
  say(words);
  fflush(stdout);
  for (;;) pause();
}

volatile sig_atomic_t last_signal = 0;

// Prints each signal that arrives; ends after SIGTERM, with status 128+15.
int tell_signals(char**) {
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGWINCH, SIGCONT})
    signal(number, [](int which) { last_signal = which; });
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  printf("ready\n");
  for (;;) {
    fflush(stdout);
    sigsuspend(&before);
    printf("SIG%s\n", sigabbrev_np(last_signal));
    if (last_signal == SIGTERM) return 128 + SIGTERM;
  }
}

int write_words(char** words) {  // PATH TEXT
  const int fd = words[0] ? open(words[0], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
  if (fd < 0 || (words[1] && write(fd, words[1], strlen(words[1])) < 0)) {
    printf("%s=%s\n", words[0] ? words[0] : "", strerrorname_np(errno));
    return 1;
  }
  return 0;
}

int window_size(char**) {
  winsize size{};
  if (ioctl(0, TIOCGWINSZ, &size) < 0) return 1;
  printf("%u %u\n", size.ws_row, size.ws_col);
  return 0;
}

int terminals(char**) {
  for (int fd = 0; fd < 3; ++fd) printf("%d=%s\n", fd, isatty(fd) ? "terminal" : "no");
  const int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  printf("controlling=%s\n", terminal < 0 ? strerrorname_np(errno) : "yes");
  return 0;
}

int both_outputs(char** words) {  // OUT ERR
  if (words[0]) printf("%s", words[0]);
  if (words[0] && words[1]) fprintf(stderr, "%s", words[1]);
  return 0;
}

int leave_orphan(char** words) {  // a child that outlives its parent and holds the outputs; prints its process id
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    nap(words);
    _exit(0);
  }
  printf("%d\n", child);
  return 0;
}

// NUMBER ARGUMENT...: one system call with these numbers as arguments; prints its result, or the error's name.
int call(char** words) {
  long arguments[7] = {};
  for (int at = 0; at < 7 && words[at]; ++at) arguments[at] = static_cast<long>(strtoull(words[at], nullptr, 0));
  const long result =
      syscall(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5], arguments[6]);
  if (result < 0) {
    printf("%s\n", strerrorname_np(errno));
  } else {
    printf("%ld\n", result);
  }
  return 0;
}

// SECONDS: opens the program file of every other process here, and tries until then to open it once more for writing,
// as CVE-2019-5736 did; says `writable NAME` for each that it could have overwritten.
int grab_programs(char** words) {
  struct stat own {};
  stat("/proc/self/exe", &own);
  int grabbed[64], count = 0;
  bool told[64] = {};
  timespec start{}, now{};
  clock_gettime(CLOCK_MONOTONIC, &start);
  setvbuf(stdout, nullptr, _IONBF, 0);
  printf("grabbing\n");
  do {
    DIR* processes = opendir("/proc");
    while (const dirent* entry = processes ? readdir(processes) : nullptr) {
      char path[300];
      snprintf(path, sizeof path, "/proc/%s/exe", entry->d_name);
      struct stat st {};
      const int fd = atoi(entry->d_name) > 0 && count < 64 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
      if (fd < 0) continue;
      bool known = fstat(fd, &st) < 0 || (st.st_ino == own.st_ino && st.st_dev == own.st_dev);
      for (int at = 0; at < count && !known; ++at) {
        struct stat other {};
        known = fstat(grabbed[at], &other) == 0 && other.st_ino == st.st_ino && other.st_dev == st.st_dev;
      }
      if (known) {
        close(fd);
      } else {
        grabbed[count++] = fd;
      }
    }
    if (processes) closedir(processes);
    for (int at = 0; at < count; ++at) {
      char path[64], name[4096] = "";
      snprintf(path, sizeof path, "/proc/self/fd/%d", grabbed[at]);
      const int fd = told[at] ? -1 : open(path, O_WRONLY | O_CLOEXEC);
      if (fd < 0) continue;
      told[at] = true;
      if (readlink(path, name, sizeof name - 1) > 0) printf("writable %s\n", name);
      close(fd);
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (now.tv_sec - start.tv_sec < number(words));
  printf("grabbed %d\n", count);
  return 0;
}

// A B: exchanges the two for ever, to win a race against whoever looks a path up.
int swap(char** words) {
  printf("swapping\n");
  fflush(stdout);
  for (;;)
    if (renameat2(AT_FDCWD, words[0], AT_FDCWD, words[1], RENAME_EXCHANGE) < 0) return 1;
}

// To whoever waits for READY=1.  sd_notify(3)
int notify(char** words) {
  const char* path = getenv("NOTIFY_SOCKET");
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (!path || !words[0] || strlen(path) >= sizeof address.sun_path) return 1;
  strcpy(address.sun_path, path);
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return sendto(fd, words[0], strlen(words[0]), 0, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0;
}

struct Act {
  const char* name;
  int (*perform)(char** words);
};
const Act kActs[] = {{"confinement", confinement},
                     {"try-syscall", try_syscall},
                     {"echo-args", say},
                     {"cat", copy_input},
                     {"eat", eat},
                     {"hold", hold},
                     {"fork-bomb", fork_bomb},
                     {"spin", spin},
                     {"sleep", nap},
                     {"exit", leave},
                     {"kill-self", kill_self},
                     {"crash", crash},
                     {"ignore-term", ignore_term},
                     {"tell-signals", tell_signals},
                     {"write-file", write_words},
                     {"winsize", window_size},
                     {"is-tty", terminals},
                     {"both-outputs", both_outputs},
                     {"leave-orphan", leave_orphan},
                     {"call", call},
                     {"grab-programs", grab_programs},
                     {"swap", swap},
                     {"notify", notify}};

}  // namespace

int main(int count, char** words) {
  if (count < 2) return 2;
  for (const Act& act : kActs)
    if (strcmp(act.name, words[1]) == 0) return act.perform(words + 2);
  fprintf(stderr, "testbox: no such act: %s\n", words[1]);
  return 2;
}
