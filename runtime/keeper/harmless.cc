// What does a process give up that stays as root for days beside a hostile container?
//
// Everything it will not need, before it reads the first byte that the container wrote: descriptors, signals,
// capabilities, and at last all system calls but a few. The order is the kernel's: a bounding set can only be dropped
// with CAP_SETPCAP, and no_new_privs comes before the filter, for without it only CAP_SYS_ADMIN may load one.
// capabilities(7), seccomp(2)
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "runtime/keeper/keeper.h"

namespace convox::keeper {
namespace {

Errno drop_bounding_set() noexcept {
  for (unsigned long capability = 0; capability < 64; ++capability) {
    const long held = sys::prctl(PR_CAPBSET_READ, capability);
    if (held == -EINVAL) break;  // past the last one this kernel knows
    if (held < 0) return Errno(held);
    if (const long rc = held ? sys::prctl(PR_CAPBSET_DROP, capability) : 0; rc < 0) return Errno(rc);
  }
  return {};
}

}  // namespace

// Closes every descriptor that is not in `kept`, gap by gap. A -1 there is none.
Errno close_all_but(const int* kept, std::size_t count) noexcept {
  for (int first = 0;;) {
    int next = -1;  // the lowest that is kept, from `first` on
    const auto look_at = [&](int fd) {
      if (fd >= first && (next < 0 || fd < next)) next = fd;
    };
    for (std::size_t i = 0; i < count; ++i) look_at(kept[i]);
#ifdef CONVOX_FAULTS
    look_at(faults::kLog);
#endif
    if (next < 0) return Errno(sys::close_range(static_cast<unsigned>(first), ~0U, 0));
    if (next > first)
      if (const long rc = sys::close_range(static_cast<unsigned>(first), static_cast<unsigned>(next) - 1, 0); rc < 0)
        return Errno(rc);
    first = next + 1;
  }
}

// All of them: what a keeper has to do it learns from descriptors. SIGPIPE too, a write then says EPIPE.
Errno block_signals() noexcept {
  const unsigned long all = ~0UL;
  return Errno(sys::rt_sigprocmask(2 /* SIG_SETMASK */, &all, nullptr));
}

Errno drop_capabilities(std::uint64_t keep) noexcept {
  if (const Errno error = drop_bounding_set(); error) return error;
  if (const long rc = sys::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL); rc < 0) return Errno(rc);
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  const auto low = static_cast<std::uint32_t>(keep), high = static_cast<std::uint32_t>(keep >> 32);
  const __user_cap_data_struct data[2] = {{low, low, 0}, {high, high, 0}};
  return Errno(sys::capset(&head, data));
}

Errno load_filter(std::string_view program) noexcept {
  const std::size_t count = program.size() / sizeof(sock_filter);
  if (count == 0 || count > BPF_MAXINSNS) return Errno(-EINVAL);
  if (const long rc = sys::prctl(PR_SET_NO_NEW_PRIVS, 1); rc < 0) return Errno(rc);
  const sock_fprog filter{static_cast<unsigned short>(count),
                          reinterpret_cast<sock_filter*>(const_cast<char*>(program.data()))};
  return Errno(sys::seccomp(SECCOMP_SET_MODE_FILTER, 0, &filter));
}

}  // namespace convox::keeper
