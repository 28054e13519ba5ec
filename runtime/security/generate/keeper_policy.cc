#include "runtime/security/generate/keeper_policy.h"

#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>

#include <cerrno>
#include <optional>
#include <span>

namespace convox::security {
namespace {

struct Row {
  const char* call;
  std::optional<scmp_arg_cmp> only = {};  // compared by its lower half, as the kernel reads an int
};

scmp_arg_cmp argument(unsigned index, std::uint64_t value) { return {index, SCMP_CMP_MASKED_EQ, 0xffffffff, value}; }

// Files are written at offsets and never read, but for the cgroup's and the payload's status (pread64).
const Row kKeeper[] = {
    {"epoll_pwait"},
    {"epoll_ctl"},
    {"read"},
    {"pread64"},
    {"write"},  // "1" to cgroup.kill
    {"pwrite64"},
    {"pwritev"},
    {"ftruncate"},
    {"fdatasync"},
    // The next segment, and nothing that exists: a name that is there, a link too, fails.
    {"openat", argument(2, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC)},
    {"unlinkat", argument(2, 0)},  // the oldest segment
    {"close"},
    {"clock_gettime"},
    {"timerfd_settime"},
    {"pidfd_send_signal"},
    {"waitid"},
    {"exit_group"},
};

const Row kWatcher[] = {{"ppoll"}, {"pread64"}, {"write"}, {"pidfd_send_signal", argument(1, SIGCONT)}, {"exit_group"}};

#ifdef CONVOX_FAULTS
const Row kFaults[] = {{"getpid"}, {"write"}, {"kill"}, {"ppoll"}};  // base/faults.h
#else
const std::span<const Row> kFaults;
#endif

struct Context {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { seccomp_release(filter); }
};

Result<> add(const Context& context, std::span<const Row> rows) {
  for (const Row& row : rows) {
    const int number = seccomp_syscall_resolve_name(row.call);
    const int added = row.only ? seccomp_rule_add_exact(context.filter, SCMP_ACT_ALLOW, number, 1, *row.only)
                               : seccomp_rule_add_exact(context.filter, SCMP_ACT_ALLOW, number, 0);
    if (added != -EEXIST) TRY(check(added, "seccomp_rule_add", row.call));
  }
  return ok();
}

}  // namespace

Result<> write_keeper_filter(std::string_view who, int to) {
  const Context context;
  if (!context.filter) return os_error("seccomp_init", "", Errno(-ENOMEM));
  TRY(check(seccomp_attr_set(context.filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "seccomp_attr_set",
            "badarch"));
  TRY(add(context, who == "watcher" ? std::span<const Row>(kWatcher) : kKeeper));
  TRY(add(context, kFaults));
  TRY(check(seccomp_export_bpf(context.filter, to), "seccomp_export_bpf", who));
  return ok();
}

}  // namespace convox::security
