#include "runtime/security/profile_compile.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <set>
#include <span>

#include "runtime/security/bpf.h"
#include "runtime/security/seccomp_context.h"

namespace convox::security {
namespace {

// --- libseccomp's part -----------------------------------------------------------------------------------------------

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

// The architectures that the program is for. One that libseccomp cannot add (of the other byte order, or younger than
// it) is none that this kernel could run, and a call of it would be refused like any unnamed one.
Result<std::vector<std::uint32_t>> add_architectures(const SeccompContext& context, const Profile& profile) {
  std::vector<std::uint32_t> added{seccomp_arch_native()};
  for (const std::uint32_t architecture : profile.architectures) {
    if (std::ranges::find(added, architecture) != added.end()) continue;
    const int result = seccomp_arch_add(context.filter, architecture);
    if (result == -EINVAL || result == -EDOM) continue;
    TRY(check(result, "seccomp_arch_add", cat(architecture)));
    added.push_back(architecture);
  }
  return added;
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
Result<> add_rules(const SeccompContext& context, const Profile& profile) {
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
        any = true;
      }
    }
  // libseccomp 2.5 makes no program of a tree without a call.
  return any ? context.use_tree() : ok();
}

// --- ENOSYS for younger calls ----------------------------------------------------------------------------------------

constexpr std::uint32_t kNone = 0xffffffff;  // no number is above it

// From here on numbers of an architecture are others than its ordinary ones: x32 is x86-64 to the kernel, but for a bit
// in the number, and ARM has some private calls (set_tls).  asm/unistd.h
std::uint32_t end_of_ordinary(std::uint32_t architecture) {
  if (architecture == SCMP_ARCH_X86_64) return 0x40000000;
  return architecture == SCMP_ARCH_ARM ? 0x0f0000 : kNone;
}

// The highest ordinary number on `architecture` whose name is among `names`. Numbers are turned into names, not the
// other way round, because names that are in i386's socketcall or ipc give no number, although they have one, too.
// (MIPS counts from 4000 on, so it has none here, and its younger calls get the default.)
std::uint32_t highest(const std::set<std::string_view>& names, std::uint32_t architecture) {
  const int first = architecture == SCMP_ARCH_X32 ? 0x40000000 : 0;
  for (int number = first + 1023; number >= first; --number) {
    char* name = seccomp_syscall_resolve_num_arch(architecture, number);
    const bool named = name && names.contains(name);
    std::free(name);
    if (named) return static_cast<std::uint32_t>(number);
  }
  return kNone;
}

// The instructions to go before the program. Number -1 is no call: a tracer that wants a call skipped writes it there,
// and the program answers it.  ptrace(2), seccomp(2)
std::vector<sock_filter> younger_calls(const Profile& profile, std::span<const std::uint32_t> architectures) {
  constexpr std::uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS, kEqual = BPF_JMP | BPF_JEQ | BPF_K;
  constexpr std::uint16_t kAbove = BPF_JMP | BPF_JGT | BPF_K, kAtLeast = BPF_JMP | BPF_JGE | BPF_K;
  std::vector<sock_filter> stub{{kLoad, 0, 0, offsetof(seccomp_data, arch)}};
  std::vector<std::size_t> exits;  // jumps to the program
  std::set<std::string_view> names;
  for (const SeccompRule& rule : profile.rules) names.insert(rule.names.begin(), rule.names.end());
  const bool with_x32 = std::ranges::find(architectures, SCMP_ARCH_X32) != architectures.end();
  for (const std::uint32_t architecture : architectures) {
    if (architecture == SCMP_ARCH_X32) continue;  // stands with x86-64
    const std::uint32_t most = highest(names, architecture);
    const std::uint32_t most_of_x32 =
        architecture == SCMP_ARCH_X86_64 && with_x32 ? highest(names, SCMP_ARCH_X32) : kNone;
    const sock_filter section[] = {
        {kEqual, 0, 7, architecture},  // else the next section; the accumulator still holds the architecture
        {kLoad, 0, 0, offsetof(seccomp_data, nr)},
        {kAtLeast, 1, 0, end_of_ordinary(architecture)},  // to x32's comparison, or to the next
        {kAbove, 2, 3, most},                             // to ENOSYS, or out
        {kAbove, 0, 2, most_of_x32},                      // on, or out
        {kEqual, 1, 0, kNone},                            // out, or ENOSYS
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS},
        {BPF_JMP | BPF_JA, 0, 0, 0},  // out
    };
    stub.insert(stub.end(), std::begin(section), std::end(section));
    exits.push_back(stub.size() - 1);
  }
  for (const std::size_t exit : exits) stub[exit].k = static_cast<std::uint32_t>(stub.size() - exit - 1);
  return stub;
}

}  // namespace

Result<std::string> compile_profile(const Profile& profile) {
  const SeccompContext context(profile.default_action);
  if (!context.filter) return invalid("libseccomp does not take the default action");
  const std::vector<std::uint32_t> architectures = TRY(add_architectures(context, profile));
  TRY(add_rules(context, profile));
  std::string program = TRY(context.program());
  const bool refuses = (profile.default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
  if (refuses && profile.default_action != (SECCOMP_RET_ERRNO | ENOSYS)) {
    const std::vector<sock_filter> stub = younger_calls(profile, architectures);
    program.insert(0, reinterpret_cast<const char*>(stub.data()), stub.size() * sizeof(sock_filter));
  }
  if (!Program::parse(program)) return invalid("the program is none that the kernel would take: too long?");
  return program;
}

}  // namespace convox::security
