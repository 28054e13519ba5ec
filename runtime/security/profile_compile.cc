#include "runtime/security/profile_compile.h"

#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <set>
#include <span>

#include "runtime/security/profile_dispatch.h"
#include "runtime/security/seccomp_context.h"

namespace convox::security {
namespace {

scmp_arg_cmp comparison(const SeccompArgument& it) {
  using enum SeccompArgument::Compare;
  const auto op = [&] {
    switch (it.compare) {
      case kNotEqual:
        return SCMP_CMP_NE;
      case kLess:
        return SCMP_CMP_LT;
      case kLessOrEqual:
        return SCMP_CMP_LE;
      case kEqual:
        return SCMP_CMP_EQ;
      case kGreaterOrEqual:
        return SCMP_CMP_GE;
      case kGreater:
        return SCMP_CMP_GT;
      case kMaskedEqual:
        return SCMP_CMP_MASKED_EQ;
    }
    __builtin_unreachable();
  }();
  return {it.index, op, it.value, it.value_two};
}

// What libseccomp is told for one rule: lists of comparisons that all must hold. It takes one comparison an argument
// only; with two of them each comparison is a list of its own.
std::vector<std::vector<scmp_arg_cmp>> alternatives(const SeccompRule& rule) {
  std::vector<scmp_arg_cmp> all;
  std::set<unsigned> indexes;
  for (const SeccompArgument& argument : rule.arguments) {
    all.push_back(comparison(argument));
    indexes.insert(argument.index);
  }
  if (indexes.size() == all.size()) return {all};
  std::vector<std::vector<scmp_arg_cmp>> each;
  for (const scmp_arg_cmp& one : all) each.push_back({one});
  return each;
}

Result<> add_rule(const SeccompContext& context, SeccompAction action, int number, const std::string& name,
                  std::span<const scmp_arg_cmp> comparisons) {
  const int result = seccomp_rule_add_array(context.filter, action, number, static_cast<unsigned>(comparisons.size()),
                                            comparisons.data());
  if (result == -EEXIST) return ok();  // the same condition a second time: the first rule holds
  TRY(check(result, "seccomp_rule_add", name));
  return ok();
}

// A rule without conditions decides its call whatever others say, so these go first and the others of their calls are
// left out. libseccomp refuses a rule that says what the default says; so it is dropped, even if another rule with
// conditions would have to give way to it.
Result<> add_rules(const SeccompContext& context, const Profile& profile, std::uint32_t architecture) {
  std::set<int> decided;
  bool any = false;
  for (const bool conditional : {false, true})
    for (const SeccompRule& rule : profile.rules) {
      if (rule.action == profile.default_action || rule.arguments.empty() == conditional) continue;
      const std::vector<std::vector<scmp_arg_cmp>> lists = alternatives(rule);
      for (const std::string& name : rule.names) {
        const int number = seccomp_syscall_resolve_name(name.c_str());
        if (number == __NR_SCMP_ERROR || decided.contains(number)) continue;
        if (!conditional) decided.insert(number);
        for (const std::vector<scmp_arg_cmp>& list : lists) TRY(add_rule(context, rule.action, number, name, list));
        any = any || seccomp_syscall_resolve_name_arch(architecture, name.c_str()) >= 0;
      }
    }
  // libseccomp 2.5 makes no program of a tree without a call.
  return any ? context.use_tree() : ok();
}

// The highest ordinary number on `architecture` whose name is among `names`. Numbers are turned into names, not the
// other way round, because names that are in i386's socketcall or ipc give no number, although they have one, too.
// (MIPS counts from 4000 on, so it has none here, and its younger calls get the default.)
std::uint32_t highest(const std::set<std::string_view>& names, std::uint32_t architecture) {
  const int first = architecture == SCMP_ARCH_X32 ? static_cast<int>(end_of_ordinary(SCMP_ARCH_X86_64)) : 0;
  for (int number = first + 1023; number >= first; --number) {
    char* name = seccomp_syscall_resolve_num_arch(architecture, number);
    const bool named = name && names.contains(name);
    std::free(name);
    if (named) return static_cast<std::uint32_t>(number);
  }
  return kNoNumber;
}

// Makes `context`, which is for the native architecture, one for `architecture` alone. False if libseccomp cannot: what
// has the other byte order, or is younger than it, this kernel does not run; a call of it is refused like any other
// that is not named.
Result<bool> set_architecture(const SeccompContext& context, std::uint32_t architecture) {
  if (architecture == seccomp_arch_native()) return true;
  const int result = seccomp_arch_add(context.filter, architecture);
  if (result == -EINVAL || result == -EDOM) return false;
  TRY(check(result, "seccomp_arch_add", cat(architecture)));
  TRY(check(seccomp_arch_remove(context.filter, SCMP_ARCH_NATIVE), "seccomp_arch_remove", "native"));
  return true;
}

}  // namespace

Result<std::string> compile_profile(const Profile& profile) {
  std::vector<std::uint32_t> architectures{seccomp_arch_native()};
  for (const std::uint32_t it : profile.architectures)
    if (std::ranges::find(architectures, it) == architectures.end()) architectures.push_back(it);
  std::set<std::string_view> names;
  for (const SeccompRule& rule : profile.rules) names.insert(rule.names.begin(), rule.names.end());
  const bool refuses = (profile.default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO &&
                       profile.default_action != (SECCOMP_RET_ERRNO | ENOSYS);

  std::vector<ArchitectureProgram> programs;
  for (const std::uint32_t architecture : architectures) {
    const SeccompContext context(profile.default_action);
    if (!context.filter) return invalid("libseccomp does not take the default action");
    if (!TRY(set_architecture(context, architecture))) continue;
    TRY(add_rules(context, profile, architecture));
    std::string program = TRY(context.program());
    programs.push_back({architecture, refuses ? highest(names, architecture) : kNoNumber, std::move(program)});
  }
  return dispatch(programs);
}

}  // namespace convox::security
