// What does the policy `convox-1` say about each system call?
//
// Two tables. `kCalls` is for whole calls; `kArguments` for the few that are harmless or not depending on their
// arguments, and there the rows of one call are read in order and the first that matches answers, as in a firewall.
// A call that is in neither table fails with ENOSYS, "this kernel lacks it": programs and libcs know what to do then,
// as with any call younger than the kernel. EPERM instead broke clone3, faccessat2 and openat2 for years of other
// engines' users. So EPERM is for calls that are older than the fallbacks and that we refuse by intent.
//
// A filter sees six words, not what they point to (TOCTOU: another thread can change memory after the check), so
// clone3, openat2 and mount_setattr are all or nothing. See also seccomp(2), syscalls(2). Read next: seccomp_compile.h.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/security/capabilities.h"

namespace convox::security {

inline constexpr std::string_view kPolicyName = "convox-1";

using Answer = int;  // kAllow, or the errno with which the call fails
inline constexpr Answer kAllow = 0;

struct CallRow {
  std::string_view group;
  CapabilitySet allowed_with;  // any one of these makes the answer kAllow
  Answer otherwise;
  std::string_view calls;  // names, separated by spaces
};

// (low half of the argument & mask) == value. The kernel takes every argument that we test as a 32-bit one and so must
// we: a filter that compared all 64 bits let TIOCSTI through with a bit set in the upper half (CVE-2019-10063).
struct ArgumentTest {
  int argument = kNone;
  std::uint32_t mask = 0;  // 0: whatever it is
  std::uint32_t value = 0;
  static constexpr int kNone = -1;  // there is no such test
};

struct ArgumentRow {
  std::string_view call;
  ArgumentTest first, second;  // both must hold
  CapabilitySet allowed_with;
  Answer otherwise;
};

constexpr Answer answer(CapabilitySet allowed_with, Answer otherwise, CapabilitySet granted) {
  return (allowed_with & granted) ? kAllow : otherwise;
}

// The words of a row's `calls`.
std::vector<std::string_view> words(std::string_view text);

std::span<const CallRow> call_rows();
std::vector<std::span<const ArgumentRow>> argument_rows();  // the rows of one call each

// The capabilities that the tables ask for: two sets that agree on these have the same program.
CapabilitySet policy_capabilities();

// A call's number on this architecture, kNotHere if only others have it, an error if nobody has heard of it. libseccomp
// knows the calls of its own day; younger ones are in a table of ours.
inline constexpr int kNotHere = -1;
Result<int> call_number(std::string_view name);

}  // namespace convox::security
