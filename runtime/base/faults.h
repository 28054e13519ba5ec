// How do tests make the N-th system call of a name fail, stall or kill? Only in programs built with MODE=faults.
//
//   CONVOX_FAULT=WHO:NAME:N:WHAT   WHO is host (convox itself), child (between clone3 and the stage), stage, launcher
//                                  (a fork of convox that will be a keeper or minder), keeper or net (convox-net); WHAT
//                                  is the name of an errno from the list below, kill (the caller dies at the call) or
//                                  stall (the call never returns)
//   descriptor kLog, if open       gets a line "WHO NAME" for each call, so that a test knows what there is to visit
//
// The child shares memory with the host side, stage and keeper are other programs; each counts its own calls. sys.h
// includes this file before it defines anything, so it traps into the kernel by itself.
#pragma once
#include <asm/unistd.h>

namespace convox::faults {

inline constexpr int kLog = 1000;

enum Who { kHost, kChild, kStage, kLauncher, kKeeper, kNet, kNobody };

namespace detail {

inline constexpr const char* kNames[] = {"host", "child", "stage", "launcher", "keeper", "net"};

struct Fault {
  const char* spec = nullptr;  // the whole variable, NAME=VALUE, for the next program
  Who who = kNobody;
  char name[32] = {};
  long left = 0;    // calls until it happens
  long result = 0;  // -errno; 1: kill, 2: stall
  bool logs = false;
  Who self = kHost;
  long process = 0;
};
inline Fault fault;

inline long trap(long number, long a, long b = 0, long c = 0, long d = 0) noexcept {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
#else
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
#endif
}

inline bool equal(const char* a, const char* b) noexcept {
  while (*a != '\0' && *a == *b) ++a, ++b;
  return *a == *b;
}

// Copies up to the next ':' and returns what is behind it.
inline const char* field(const char* text, char* into, unsigned size) noexcept {
  unsigned i = 0;
  for (; *text != '\0' && *text != ':'; ++text)
    if (i + 1 < size) into[i++] = *text;
  into[i] = '\0';
  return *text == ':' ? text + 1 : text;
}

inline long result_of(const char* what) noexcept {
  struct {
    const char* name;
    long result;
  } constexpr known[] = {{"kill", 1},     {"stall", 2},    {"EPERM", -1},   {"ENOENT", -2},  {"EINTR", -4},
                         {"EIO", -5},     {"EAGAIN", -11}, {"ENOMEM", -12}, {"EACCES", -13}, {"EBUSY", -16},
                         {"EINVAL", -22}, {"EMFILE", -24}, {"ENOSPC", -28}, {"ENOSYS", -38}};
  for (const auto& entry : known)
    if (equal(entry.name, what)) return entry.result;
  return -22;
}

}  // namespace detail

// Reads the variable from `environment`, once, at the start of main. Before that nothing fails.
inline void start(char** environment, Who self) noexcept {
  using namespace detail;
  fault.self = self;
  fault.process = trap(__NR_getpid, 0);
  fault.logs = trap(__NR_fcntl, kLog, 1 /* F_GETFD */) >= 0;
  for (; environment && *environment; ++environment) {
    const char* text = *environment;
    const char* key = "CONVOX_FAULT=";
    while (*key != '\0' && *key == *text) ++key, ++text;
    if (*key != '\0') continue;
    fault.spec = *environment;
    char who[12], count[16], what[16];
    text = field(field(field(field(text, who, sizeof who), fault.name, sizeof fault.name), count, sizeof count), what,
                 sizeof what);
    for (int i = 0; i < kNobody; ++i)
      if (equal(who, kNames[i])) fault.who = static_cast<Who>(i);
    for (const char* digit = count; *digit >= '0' && *digit <= '9'; ++digit)
      fault.left = fault.left * 10 + (*digit - '0');
    fault.result = result_of(what);
  }
}

// Calls that have no error to give: umask(2), getpid(2), getpgid(2) of oneself. And close(2) has closed whatever it
// answers: a close that did nothing would be a fault that no kernel makes.
inline bool cannot_fail(const char* name) noexcept {
  constexpr const char* without_errors[] = {"umask", "getpid", "getppid", "getpgid", "close"};
  for (const char* one : without_errors)
    if (detail::equal(name, one)) return true;
  return false;
}

// A fork of convox counts as somebody else from here on.
inline void become(Who self) noexcept {
  detail::fault.self = self;
  detail::fault.process = detail::trap(__NR_getpid, 0);
}

// For the stage's own environment: nothing but this variable, or nothing.
inline char* environment() noexcept { return const_cast<char*>(detail::fault.spec); }

// Called before each call: 0 lets it go on, -errno is its result.
inline long visit(const char* name) noexcept {
  using namespace detail;
  if (fault.process == 0) return 0;
  const long self = trap(__NR_getpid, 0);  // 1 in a new PID namespace: the child
  const bool is_program = fault.self == kStage || fault.self == kKeeper || fault.self == kNet;
  const Who who = is_program || self == fault.process ? fault.self : kChild;
  if (fault.logs) {
    char line[64];
    unsigned size = 0;
    for (const char* c = kNames[who]; *c != '\0'; ++c) line[size++] = *c;
    line[size++] = ' ';
    for (const char* c = name; *c != '\0' && size < sizeof line - 1; ++c) line[size++] = *c;
    line[size++] = '\n';
    trap(__NR_write, kLog, reinterpret_cast<long>(line), static_cast<long>(size));
  }
  if (who != fault.who || !equal(name, fault.name) || fault.left == 0 || --fault.left > 0) return 0;
  if (fault.result == 1) {
    trap(__NR_kill, self, 9);
    __builtin_trap();  // PID 1 does not die of its own SIGKILL, but of this: pid_namespaces(7)
  }
  while (fault.result == 2) trap(__NR_ppoll, 0, 0, 0, 0);
  return cannot_fail(name) ? 0 : fault.result;
}

}  // namespace convox::faults
