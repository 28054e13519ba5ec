// How does a profile become a program for the kernel?
//
// libseccomp writes it. It takes care of what differs between architectures: numbers, x32's bit, and i386's socketcall
// and ipc, which hold many calls in one. Each architecture that the profile names, and the native one, gets a program
// of its own: one for three of them takes libseccomp four times as long as three. Man pages: seccomp_rule_add(3),
// seccomp_arch_add(3). Read next: profile_dispatch.h, which puts them together.
#pragma once
#include <string>

#include "runtime/security/profile.h"

namespace convox::security {

// The program for `profile`, an array of struct sock_filter, without the checks and the cache of profile_program.
Result<std::string> compile_profile(const Profile& profile);

}  // namespace convox::security
