#include "runtime/security/profile.h"

#include <linux/audit.h>
#include <linux/elf-em.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "runtime/security/profile_compile.h"
#include "runtime/security/seccomp_cache.h"
#include "runtime/security/seccomp_context.h"

namespace convox::security {
namespace {

template <class Value>
struct Named {
  std::string_view name;
  Value value;
};

struct Action {
  SeccompAction action;
  bool has_errno = false;
};
constexpr Named<Action> kActions[] = {
    {"SCMP_ACT_KILL", {SECCOMP_RET_KILL_THREAD}},
    {"SCMP_ACT_KILL_PROCESS", {SECCOMP_RET_KILL_PROCESS}},
    {"SCMP_ACT_KILL_THREAD", {SECCOMP_RET_KILL_THREAD}},
    {"SCMP_ACT_TRAP", {SECCOMP_RET_TRAP}},
    {"SCMP_ACT_ERRNO", {SECCOMP_RET_ERRNO, true}},
    {"SCMP_ACT_TRACE", {SECCOMP_RET_TRACE, true}},
    {"SCMP_ACT_ALLOW", {SECCOMP_RET_ALLOW}},
    {"SCMP_ACT_LOG", {SECCOMP_RET_LOG}},
    {"SCMP_ACT_NOTIFY", {SECCOMP_RET_USER_NOTIF}},
};

// The last four are younger than libseccomp 2.5; their numbers are the kernel's (AUDIT_ARCH_*), as of all but x32.
constexpr Named<std::uint32_t> kArchitectures[] = {
    {"SCMP_ARCH_X86", SCMP_ARCH_X86},
    {"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},
    {"SCMP_ARCH_X32", SCMP_ARCH_X32},
    {"SCMP_ARCH_ARM", SCMP_ARCH_ARM},
    {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64},
    {"SCMP_ARCH_MIPS", SCMP_ARCH_MIPS},
    {"SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64},
    {"SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32},
    {"SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL},
    {"SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64},
    {"SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32},
    {"SCMP_ARCH_PPC", SCMP_ARCH_PPC},
    {"SCMP_ARCH_PPC64", SCMP_ARCH_PPC64},
    {"SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE},
    {"SCMP_ARCH_S390", SCMP_ARCH_S390},
    {"SCMP_ARCH_S390X", SCMP_ARCH_S390X},
    {"SCMP_ARCH_PARISC", SCMP_ARCH_PARISC},
    {"SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64},
    {"SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64},
    {"SCMP_ARCH_LOONGARCH64", 258 | __AUDIT_ARCH_64BIT | __AUDIT_ARCH_LE},  // EM_LOONGARCH
    {"SCMP_ARCH_M68K", EM_68K},
    {"SCMP_ARCH_SH", EM_SH | __AUDIT_ARCH_LE},
    {"SCMP_ARCH_SHEB", EM_SH},
};

constexpr Named<std::uint32_t> kFlags[] = {
    {"SECCOMP_FILTER_FLAG_TSYNC", 0},
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
};

using enum SeccompArgument::Compare;
constexpr Named<SeccompArgument::Compare> kCompares[] = {
    {"SCMP_CMP_NE", kNotEqual},           {"SCMP_CMP_LT", kLess},
    {"SCMP_CMP_LE", kLessOrEqual},        {"SCMP_CMP_EQ", kEqual},
    {"SCMP_CMP_GE", kGreaterOrEqual},     {"SCMP_CMP_GT", kGreater},
    {"SCMP_CMP_MASKED_EQ", kMaskedEqual},
};

template <class Value>
Result<Value> value_of(std::span<const Named<Value>> table, std::string_view what, std::string_view name) {
  const auto found = std::ranges::find(table, name, &Named<Value>::name);
  if (found == table.end()) return invalid(cat("seccomp: there is no ", what, " '", name, "'"));
  return found->value;
}

template <class Value>
std::vector<std::string_view> sorted(std::span<const Named<Value>> table) {
  std::vector<std::string_view> names;
  for (const Named<Value>& one : table) names.push_back(one.name);
  std::ranges::sort(names);
  return names;
}

bool is_notify(SeccompAction action) { return (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF; }

// A listener hears of a call only once it has been handed over. Until then nobody answers, and the caller waits.
Result<> check_notify(const Profile& profile) {
  if (is_notify(profile.default_action))
    return invalid(
        "seccomp: SCMP_ACT_NOTIFY cannot be the default: the call that hands the listener over would wait "
        "for it");
  if (!profile.listener_metadata.empty() && profile.listener_path.empty())
    return invalid("seccomp: listenerMetadata is for a listener, but there is no listenerPath");
  if (!profile.notifies()) return ok();
  if (profile.listener_path.empty()) return invalid("seccomp: SCMP_ACT_NOTIFY needs a listenerPath");
  for (const SeccompRule& rule : profile.rules)
    if (is_notify(rule.action) && std::ranges::find(rule.names, "sendmsg") != rule.names.end())
      return invalid("seccomp: SCMP_ACT_NOTIFY cannot be used for sendmsg, by which the listener is handed over");
  return ok();
}

Result<> check_arguments(const Profile& profile) {
  for (const SeccompRule& rule : profile.rules)
    for (const SeccompArgument& argument : rule.arguments)
      if (argument.index > 5)
        return invalid(cat("seccomp: a system call has no argument ", argument.index, ", only 0 to 5"));
  return ok();
}

// All that the program depends on, each text with its length, so that no two profiles have the same key. `kMaker` is
// raised when the same profile is to become another program.
constexpr int kMaker = 1;
std::string key_of(const Profile& profile) {
  std::string key;
  key.reserve(16384);
  key += cat("profile ", kMaker, " convox " CONVOX_VERSION " libseccomp ", libseccomp_version(), " native ",
             seccomp_arch_native(), " default ", profile.default_action);
  for (const std::uint32_t architecture : profile.architectures) key += cat(" architecture ", architecture);
  for (const SeccompRule& rule : profile.rules) {
    key += cat("\nrule ", rule.action);
    for (const SeccompArgument& it : rule.arguments)
      key += cat(" argument ", it.index, ' ', static_cast<int>(it.compare), ' ', it.value, ' ', it.value_two);
    for (const std::string& name : rule.names) {
      append(key, ' ');
      append(key, name.size());
      append(key, ':');
      append(key, name);
    }
  }
  return key;
}

}  // namespace

SeccompNames seccomp_names() {
  SeccompNames names;
  names.actions = sorted<Action>(kActions);
  names.architectures = sorted<std::uint32_t>(kArchitectures);
  names.flags = sorted<std::uint32_t>(kFlags);
  names.compares = sorted<SeccompArgument::Compare>(kCompares);
  return names;
}

bool Profile::notifies() const {
  return std::ranges::any_of(rules, [](const SeccompRule& rule) { return is_notify(rule.action); });
}

std::uint32_t Profile::load_flags() const {
  if (notifies()) return flags | SECCOMP_FILTER_FLAG_NEW_LISTENER;
  return flags & ~std::uint32_t{SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV};
}

Result<SeccompAction> seccomp_action(std::string_view name, std::optional<std::uint32_t> value) {
  const Action found = TRY(value_of<Action>(kActions, "action", name));
  if (!found.has_errno) {
    if (value) return invalid(cat("seccomp: ", name, " has no errnoRet"));
    return found.action;
  }
  // The kernel's own limit of an errno, and the field's of what a tracer is told.
  const std::uint32_t most = found.action == SECCOMP_RET_ERRNO ? 4095 : SECCOMP_RET_DATA;
  if (value.value_or(EPERM) > most) return invalid(cat("seccomp: errnoRet ", *value, " is larger than ", most));
  return found.action | value.value_or(EPERM);
}

Result<std::uint32_t> seccomp_architecture(std::string_view name) {
  return value_of<std::uint32_t>(kArchitectures, "architecture", name);
}

Result<std::uint32_t> seccomp_flag(std::string_view name) { return value_of<std::uint32_t>(kFlags, "flag", name); }

Result<SeccompArgument::Compare> seccomp_compare(std::string_view name) {
  return value_of<SeccompArgument::Compare>(kCompares, "operator", name);
}

Result<std::string> profile_program(const Profile& profile, int cache_dir) {
  TRY(check_notify(profile));
  TRY(check_arguments(profile));
  const std::string key = key_of(profile);
  if (std::optional<std::string> program = cached_program(cache_dir, key)) return std::move(*program);
  std::string program = TRY(compile_profile(profile), "seccomp profile");
  (void)cache_program(cache_dir, key, program);
  return program;
}

}  // namespace convox::security
