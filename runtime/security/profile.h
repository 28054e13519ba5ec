// What does the seccomp section of a config.json ask for, and which program is that?
//
// runtime-spec 1.3, config-linux.md, "Seccomp". libseccomp compiles it (binary tree) for all architectures named and
// the native one; the program is kept with all that it depends on (seccomp_cache.h), because a profile of 400 calls
// takes ten milliseconds and every container of an engine has the same one. Names that libseccomp does not know are
// left out, as the specification wants. Where the default is an error, calls younger than any that the profile names
// fail with ENOSYS, so that a libc falls back as it would on an older kernel. Read next: profile_compile.h.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace convox::security {

// An action as SECCOMP_RET_* with its data: 0x7fff0000 allows, 0x00050001 is EPERM.
using SeccompAction = std::uint32_t;

struct SeccompArgument {
  std::uint32_t index = 0;
  std::uint64_t value = 0, value_two = 0;  // kMaskedEqual: (argument & value) == value_two
  enum class Compare {
    kNotEqual,
    kLess,
    kLessOrEqual,
    kEqual,
    kGreaterOrEqual,
    kGreater,
    kMaskedEqual
  } compare = Compare::kEqual;
};
struct SeccompRule {
  std::vector<std::string> names;
  SeccompAction action = 0;
  // All must hold. If two are about the same argument, each one alone is enough: what runc and crun make of it.
  std::vector<SeccompArgument> arguments;
};
struct Profile {
  SeccompAction default_action = 0;
  std::vector<std::uint32_t> architectures;  // SCMP_ARCH_*; the native one is always there
  std::uint32_t flags = 0;                   // SECCOMP_FILTER_FLAG_*
  std::vector<SeccompRule> rules;
  std::string listener_path, listener_metadata;
  [[nodiscard]] bool notifies() const;  // some rule's action is SECCOMP_RET_USER_NOTIF
  // What seccomp(2) gets: `flags`, but WAIT_KILLABLE_RECV only with a listener, which the kernel insists on; with one,
  // NEW_LISTENER.
  [[nodiscard]] std::uint32_t load_flags() const;
};

// "SCMP_ACT_ERRNO" and its `errnoRet` (EPERM if absent; an error with an action that has none); "SCMP_ARCH_X86_64";
// "SECCOMP_FILTER_FLAG_LOG"; "SCMP_CMP_EQ". An error for names that the specification does not have. The flag TSYNC is
// 0: it is about other threads, and what loads the filter has none.
Result<SeccompAction> seccomp_action(std::string_view name, std::optional<std::uint32_t> value);
Result<std::uint32_t> seccomp_architecture(std::string_view name);
Result<std::uint32_t> seccomp_flag(std::string_view name);
Result<SeccompArgument::Compare> seccomp_compare(std::string_view name);

// All names that they know, sorted.
struct SeccompNames {
  std::vector<std::string_view> actions, architectures, flags, compares;
};
SeccompNames seccomp_names();

// The program for `profile`, an array of struct sock_filter, compiled or from the cache in the directory `cache_dir`
// (0700, ours; -1: none). Refuses what could not work: NOTIFY without a listener, as the default, or for the call that
// hands the listener over.
Result<std::string> profile_program(const Profile& profile, int cache_dir);

}  // namespace convox::security
