// How does a profile become a program for the kernel?
//
// libseccomp writes it, for each architecture that the profile names and the native one; a call of any other
// architecture ends the thread. It takes care of what differs between architectures: numbers, x32's bit, and i386's
// socketcall and ipc, which hold many calls in one. One thing it does not do: a program from it answers an unknown
// number with the profile's default, often EPERM, after which a libc does not try the older call. So a few instructions
// go before it that answer numbers above all that the profile names with ENOSYS, as runc does.
// Man pages: seccomp_rule_add(3), seccomp_arch_add(3). Read next: bpf.h.
#pragma once
#include <string>

#include "runtime/security/profile.h"

namespace convox::security {

// The program for `profile`, an array of struct sock_filter, without the checks and the cache of profile_program.
Result<std::string> compile_profile(const Profile& profile);

}  // namespace convox::security
