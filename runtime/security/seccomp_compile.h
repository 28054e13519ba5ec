// How does the policy become a program for the kernel?
//
// libseccomp writes it: a binary tree over the call numbers, so that each call is decided after some nine comparisons.
// What libseccomp has no words for is "otherwise", as in "any other ioctl". Rules of one call would be enough, if they
// were tried in order; a rule without any test, though, replaces all rules of its call. So "whatever it is" is written
// as >= 0: always true, and libseccomp sorts comparisons of one argument, masks before ranges. Nothing but its source
// promises that (src/db.h, db_chain_lt), so the finished program is verified before anybody uses it. Man pages:
// seccomp_rule_add(3), seccomp_export_bpf(3). Read next: seccomp_verify.h.
#pragma once
#include <string>

#include "runtime/security/seccomp_policy.h"

namespace convox::security {

// The program for `granted`, an array of struct sock_filter. It allocates a lot and takes milliseconds.
Result<std::string> compile_filter(CapabilitySet granted);

}  // namespace convox::security
