// Which system calls may a payload make, and where does the kernel's program for that come from?
//
// seccomp(2) lets a process hand the kernel a small program of classic BPF; from then on the kernel runs it before
// every system call of the process and its descendants and does what it answers: go on, or fail with an errno. It
// cannot be taken off. The policy (`convox-1`) is a table, seccomp_policy.cc; libseccomp makes the program from it
// (seccomp_compile.h).
//
// libseccomp takes some ten milliseconds for that, several whole launches. So the program for the default capabilities
// is compiled when convox is built and lies in its read-only data; any other is compiled once and kept in a cache. Read
// next: seccomp_policy.h.
#pragma once
#include <string>
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/security/capabilities.h"

namespace convox::security {

// The program for a payload whose bounding set is `granted`: an array of struct sock_filter, to be loaded by seccomp(2)
// as it is. `cache_dir` is an open directory of ours, 0700; it is touched only if `granted` needs another program than
// the embedded one. A cache that cannot be read or written costs time, never an error and never another program.
Result<std::string> filter_program(CapabilitySet granted, int cache_dir);

// The embedded program, for the default capabilities.
std::string_view default_filter();

// For --explain: "seccomp: convox-1, 371 calls allowed, ..."
std::string explain_filter(CapabilitySet granted);

}  // namespace convox::security
