// What the policy convox-1 says, once more, by number: the filter is tested against this.
//
// Written from the policy's documentation and the kernel's arch/x86/entry/syscalls/syscall_64.tbl; it knows nothing of
// the code under test, and shares no line with it.
#pragma once
#include <linux/capability.h>
#include <linux/seccomp.h>

#include <cerrno>
#include <cstdint>

namespace convox::support {

constexpr std::uint32_t kAllowed = SECCOMP_RET_ALLOW;
constexpr std::uint32_t fails(int error) { return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error); }
constexpr std::uint64_t capability(unsigned number) { return std::uint64_t{1} << number; }

enum What { kYes, kNo, kArgs, kNever };  // allowed, EPERM (unless a capability), by its arguments, ENOSYS (unless ...)
struct Expected {
  int first, last;
  What what;
  std::uint64_t unless = 0;
};
constexpr std::uint64_t kAdmin = capability(CAP_SYS_ADMIN);
constexpr Expected kTable[] = {
    {0, 15, kYes},
    {16, 16, kArgs /* ioctl */},
    {17, 40, kYes},
    {41, 41, kArgs /* socket */},
    {42, 52, kYes},
    {53, 53, kArgs /* socketpair */},
    {54, 55, kYes},
    {56, 56, kArgs /* clone */},
    {57, 102, kYes},
    {103, 103, kNo, kAdmin | capability(CAP_SYSLOG)},
    {104, 133, kYes},
    {134, 134, kNo /* uselib */},
    {135, 135, kArgs /* personality */},
    {136, 136, kNo /* ustat */},
    {137, 138, kYes},
    {139, 139, kNo /* sysfs */},
    {140, 152, kYes},
    {153, 153, kNo, capability(CAP_SYS_TTY_CONFIG)},
    {154, 156, kNo /* modify_ldt pivot_root _sysctl */},
    {157, 160, kYes},
    {161, 161, kNo, capability(CAP_SYS_CHROOT)},
    {162, 162, kYes},
    {163, 163, kNo, capability(CAP_SYS_PACCT)},
    {164, 164, kNo, capability(CAP_SYS_TIME)},
    {165, 166, kNo, kAdmin /* mount umount2 */},
    {167, 168, kNo /* swapon, -off */},
    {169, 169, kNo, capability(CAP_SYS_BOOT)},
    {170, 171, kNo, kAdmin /* sethostname setdomainname */},
    {172, 173, kNo, capability(CAP_SYS_RAWIO)},
    {174, 174, kNo /* create_module */},
    {175, 176, kNo, capability(CAP_SYS_MODULE)},
    {177, 178, kNo /* get_kernel_syms query_module */},
    {179, 179, kNo, kAdmin /* quotactl */},
    {180, 180, kNo /* nfsservctl */},
    {181, 185, kNever},
    {186, 204, kYes},
    {205, 205, kNever},
    {206, 210, kYes},
    {211, 211, kNever},
    {212, 212, kNo, kAdmin /* lookup_dcookie */},
    {213, 213, kYes},
    {214, 215, kNever},
    {216, 226, kYes},
    {227, 227, kNo, capability(CAP_SYS_TIME)},
    {228, 235, kYes},
    {236, 236, kNever},
    {237, 239, kNo, capability(CAP_SYS_NICE)},
    {240, 245, kYes},
    {246, 246, kNo /* kexec_load */},
    {247, 247, kYes},
    {248, 250, kNo /* add_key request_key keyctl */},
    {251, 255, kYes},
    {256, 256, kNo /* migrate_pages */},
    {257, 271, kYes},
    {272, 272, kArgs /* unshare */},
    {273, 277, kYes},
    {278, 279, kNo /* vmsplice move_pages */},
    {280, 297, kYes},
    {298, 298, kNo, kAdmin | capability(CAP_PERFMON)},
    {299, 299, kYes},
    {300, 300, kNo, kAdmin /* fanotify_init */},
    {301, 303, kYes},
    {304, 304, kNo, capability(CAP_DAC_READ_SEARCH)},
    {305, 307, kYes},
    {308, 308, kNo, kAdmin /* setns */},
    {309, 311, kYes},
    {312, 312, kNo, capability(CAP_SYS_PTRACE)},
    {313, 313, kNo, capability(CAP_SYS_MODULE)},
    {314, 319, kYes},
    {320, 320, kNo /* kexec_file_load */},
    {321, 321, kNo, kAdmin | capability(CAP_BPF)},
    {322, 322, kYes},
    {323, 323, kNo /* userfaultfd */},
    {324, 335, kYes},
    {336, 423, kNever},
    {424, 424, kYes},
    {425, 427, kNo /* io_uring */},
    {428, 433, kNo, kAdmin /* open_tree .. fspick */},
    {434, 434, kYes},
    {435, 435, kNever, kAdmin /* clone3 */},
    {436, 437, kYes},
    {438, 438, kNo, capability(CAP_SYS_PTRACE)},
    {439, 439, kYes},
    {440, 440, kNo, capability(CAP_SYS_PTRACE)},
    {441, 441, kYes},
    {442, 443, kNo, kAdmin /* mount_setattr quotactl_fd */},
    {444, 449, kYes},
    {450, 450, kNo, capability(CAP_SYS_NICE)},
    {451, 458, kYes},
    {459, 461, kNo, kAdmin /* lsm_* */},
    {462, 466, kYes},
    {467, 467, kNo, kAdmin /* open_tree_attr */},
    {468, 600, kNever},
};

inline std::uint32_t expected(const Expected& row, std::uint64_t granted) {
  if (row.what == kYes || (row.unless & granted)) return kAllowed;
  return fails(row.what == kNo ? EPERM : ENOSYS);
}

}  // namespace convox::support
