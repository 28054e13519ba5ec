#include "rootfs/image/confine.h"

#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <memory>
#include <type_traits>

#include "runtime/base/sys.h"

namespace convox::rootfs {
namespace {

// CHOWN, FOWNER, FSETID: owners and modes; DAC_OVERRIDE: the tree is of many owners, the archive may be of any; MKNOD:
// FIFOs where an LSM asks, and whiteouts before Linux 5.8; SETFCAP: file capabilities; SYS_ADMIN:
// trusted.overlay.opaque, without which there are no opaque directories.  capabilities(7), xattr(7)
constexpr cap_value_t kKept[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER,   CAP_FSETID,
                                 CAP_MKNOD, CAP_SETFCAP,      CAP_SYS_ADMIN};
constexpr unsigned long kDescriptors = 4096;  // a path of 1,024 directories is held open from end to end

struct Free {
  void operator()(cap_t caps) const { cap_free(caps); }
};

}  // namespace

Result<> confine() {
  sys::umask(0);  // modes are the image's
  rlimit64 files{};
  TRY(check(sys::prlimit64(0, RLIMIT_NOFILE, nullptr, &files), "prlimit", "RLIMIT_NOFILE"));
  if (files.rlim_cur < kDescriptors) {
    files.rlim_cur = files.rlim_max < kDescriptors ? files.rlim_max : kDescriptors;
    TRY(check(sys::prlimit64(0, RLIMIT_NOFILE, &files, nullptr), "prlimit", "RLIMIT_NOFILE"));
  }
  TRY(check(sys::prctl(PR_SET_NO_NEW_PRIVS, 1), "prctl", "PR_SET_NO_NEW_PRIVS"));

  const std::unique_ptr<std::remove_pointer_t<cap_t>, Free> have(cap_get_proc()), keep(cap_init());
  for (const cap_value_t cap : kKept) {
    cap_flag_value_t had = CAP_CLEAR;
    if (cap_get_flag(have.get(), cap, CAP_PERMITTED, &had) != 0 || had != CAP_SET)
      return invalid("it needs root: owners, device nodes and trusted attributes cannot be set otherwise");
    cap_set_flag(keep.get(), CAP_PERMITTED, 1, &cap, CAP_SET);
    cap_set_flag(keep.get(), CAP_EFFECTIVE, 1, &cap, CAP_SET);
  }
  for (cap_value_t cap = 0; cap_get_bound(cap) >= 0; ++cap) {
    if (cap_get_bound(cap) == 1 && cap_drop_bound(cap) != 0) break;  // without SETPCAP; no_new_privs stands anyway
  }
  if (cap_set_proc(keep.get()) != 0) return os_error("capset", "", Errno(-errno));
  return ok();
}

}  // namespace convox::rootfs
