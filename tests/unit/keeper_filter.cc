// A keeper may make the calls that it needs. Whatever else somebody makes it do ends it.
#include "runtime/security/keeper_filter.h"

#include <asm/unistd.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <vector>

#include "runtime/security/bpf.h"
#include "tests/support/bpf.h"

using namespace convox::security;

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kNative = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t kNative = AUDIT_ARCH_AARCH64;
#endif
constexpr std::uint64_t kNewFile = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;

bool allows(std::string_view program, int call, std::array<std::uint64_t, 6> arguments = {},
            std::uint32_t architecture = kNative) {
  seccomp_data data{call, architecture, 0, {}};
  std::ranges::copy(arguments, data.args);
  const auto answer = convox::support::run_bpf(program, data);
  cr_assert(answer && (*answer == SECCOMP_RET_ALLOW || *answer == SECCOMP_RET_KILL_PROCESS), "call %d", call);
  return *answer == SECCOMP_RET_ALLOW;
}

// Those of the first thousand calls that are allowed whatever their arguments are.
std::vector<int> allowed(std::string_view program) {
  cr_assert(Program::parse(program).has_value());
  std::vector<int> calls;
  for (int call = -1; call < 1000; ++call)
    if (allows(program, call, {~0UL, ~0UL, ~0UL, ~0UL, ~0UL, ~0UL})) calls.push_back(call);
  return calls;
}

std::vector<int> sorted(std::vector<int> calls) {
  std::ranges::sort(calls);
  return calls;
}

}  // namespace

Test(keeper_filter, allows_what_a_keeper_does_and_nothing_else) {
  cr_assert(allowed(keeper_filter()) ==
            sorted({__NR_epoll_pwait, __NR_epoll_ctl, __NR_read, __NR_pread64, __NR_write, __NR_pwrite64, __NR_pwritev,
                    __NR_ftruncate, __NR_fdatasync, __NR_close, __NR_clock_gettime, __NR_timerfd_settime,
                    __NR_pidfd_send_signal, __NR_waitid, __NR_exit_group}));
  cr_assert(allowed(watcher_filter()) == sorted({__NR_ppoll, __NR_pread64, __NR_write, __NR_exit_group}));
}

Test(keeper_filter, lets_a_watcher_continue_its_client_and_send_no_other_signal) {
  cr_assert(allows(watcher_filter(), __NR_pidfd_send_signal, {9, SIGCONT}));
  for (const std::uint64_t signal : {SIGKILL, SIGSTOP, SIGTERM, 0})
    cr_assert(not(allows(watcher_filter(), __NR_pidfd_send_signal, {9, signal})));
}

Test(keeper_filter, lets_a_keeper_make_a_new_file_and_remove_one_but_open_none_that_exists) {
  const std::string_view filter = keeper_filter();
  cr_assert(allows(filter, __NR_openat, {9, 0, kNewFile, 0600}));
  cr_assert(allows(filter, __NR_unlinkat, {9, 0, 0}));
  for (const std::uint64_t flags : {0, O_RDWR, O_PATH, O_WRONLY | O_CREAT | O_CLOEXEC, O_WRONLY | O_EXCL | O_CLOEXEC})
    cr_assert(not(allows(filter, __NR_openat, {9, 0, flags, 0600})), "flags %lo", flags);
  cr_assert(not(allows(filter, __NR_openat, {9, 0, kNewFile | O_TRUNC, 0600})));
  cr_assert(not(allows(filter, __NR_unlinkat, {9, 0, AT_REMOVEDIR})));
  for (const std::string_view program : {filter, watcher_filter()}) {
    cr_assert(not(allows(program, __NR_write, {}, AUDIT_ARCH_I386)));
    cr_assert(not(allows(program, __NR_write | 0x40000000)));  // x32
  }
}
