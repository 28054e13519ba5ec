// Does the program for a profile answer as the profile says, for every call, architecture and argument edge?
#include "runtime/security/profile.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>

#include "runtime/base/json.h"
#include "runtime/security/bpf.h"
#include "runtime/security/profile_compile.h"
#include "runtime/security/seccomp_cache.h"
#include "tests/support/bpf.h"
#include "tests/unit/temporary_directory.h"

using namespace convox;
using namespace convox::security;

namespace {

using Compare = SeccompArgument::Compare;
constexpr SeccompAction kAllow = SECCOMP_RET_ALLOW;
constexpr SeccompAction error(int number) { return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(number); }
constexpr std::uint32_t kX32Bit = 0x40000000;

// --- the rules, taken one by one -------------------------------------------------------------------------------------

bool holds(const SeccompArgument& it, const seccomp_data& call) {
  const std::uint64_t value = call.args[it.index];
  switch (it.compare) {
    case Compare::kNotEqual:
      return value != it.value;
    case Compare::kLess:
      return value < it.value;
    case Compare::kLessOrEqual:
      return value <= it.value;
    case Compare::kEqual:
      return value == it.value;
    case Compare::kGreaterOrEqual:
      return value >= it.value;
    case Compare::kGreater:
      return value > it.value;
    case Compare::kMaskedEqual:
      return (value & it.value) == it.value_two;
  }
  return false;
}

bool holds(const SeccompRule& rule, const seccomp_data& call) {
  bool twice = false;
  for (const SeccompArgument& one : rule.arguments)
    for (const SeccompArgument& other : rule.arguments) twice |= &one != &other && one.index == other.index;
  const auto does = [&](const SeccompArgument& it) { return holds(it, call); };
  return twice ? std::ranges::any_of(rule.arguments, does) : std::ranges::all_of(rule.arguments, does);
}

// A profile's rules for each number of one architecture.
struct Numbered {
  std::map<int, std::vector<const SeccompRule*>> rules;
  std::int64_t highest = -1;
  bool narrow = false;  // its arguments are words of 32 bits
  Numbered(const Profile& profile, std::uint32_t architecture)
      : narrow(architecture == SCMP_ARCH_X86 || architecture == SCMP_ARCH_X32 || architecture == SCMP_ARCH_ARM) {
    const int first = architecture == SCMP_ARCH_X32 ? kX32Bit : 0;
    for (int number = first; number < first + 0x100000; ++number) {
      if (number == first + 1100) number = first + 0x0f0000;  // ARM's private ones
      char* name = seccomp_syscall_resolve_num_arch(architecture, number);
      for (const SeccompRule& rule : profile.rules)
        if (name && std::ranges::find(rule.names, name) != rule.names.end()) {
          rules[number].push_back(&rule);
          if (number < first + 0x0f0000) highest = number;
        }
      std::free(name);
      if (number == first + 0x0f0010) break;
    }
  }
  std::vector<const SeccompRule*> of(int number) const {
    const auto found = rules.find(number);
    return found == rules.end() ? std::vector<const SeccompRule*>{} : found->second;
  }
};

SeccompAction expected(const Profile& profile, const Numbered& numbered, seccomp_data call) {
  const bool refuses = (profile.default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
  const std::int64_t number = static_cast<std::uint32_t>(call.nr);
  const bool ordinary = call.nr != -1 && !(call.arch == AUDIT_ARCH_ARM && number >= 0x0f0000);
  if (refuses && ordinary && numbered.highest >= 0 && number > numbered.highest) return error(ENOSYS);
  if (numbered.narrow)
    for (auto& argument : call.args) argument &= 0xffffffff;
  for (const bool conditional : {false, true})
    for (const SeccompRule* rule : numbered.of(call.nr)) {
      if (rule->action == profile.default_action || rule->arguments.empty() == conditional) continue;
      if (holds(*rule, call)) return rule->action;
    }
  return profile.default_action;
}

// socketcall and ipc of i386 hold calls that have numbers of their own elsewhere; libseccomp makes rules for both ways.
bool multiplexed(std::uint32_t architecture, int number) {
  return architecture == AUDIT_ARCH_I386 && (number == 102 || number == 117);
}

// Values near those that a rule compares with, in both halves of the word.
std::vector<std::uint64_t> edges(const Profile& profile, unsigned index) {
  std::vector<std::uint64_t> values{0, 1, 0xffffffff, 0x100000000, ~std::uint64_t{0}};
  for (const SeccompRule& rule : profile.rules)
    for (const SeccompArgument& it : rule.arguments) {
      if (it.index != index) continue;
      for (const std::uint64_t near : {it.value, it.value_two, it.value | it.value_two, ~it.value | it.value_two})
        for (const std::uint64_t value : {near - 1, near, near + 1, near ^ (std::uint64_t{1} << 32), near << 32})
          values.push_back(value);
    }
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

struct Architecture {
  std::uint32_t scmp, audit, first;  // first: the number at which its calls begin
};
constexpr Architecture kX86_64{SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, 0}, kX86{SCMP_ARCH_X86, AUDIT_ARCH_I386, 0},
    kX32{SCMP_ARCH_X32, AUDIT_ARCH_X86_64, kX32Bit}, kAarch64{SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, 0},
    kArm{SCMP_ARCH_ARM, AUDIT_ARCH_ARM, 0};

void compare(const Profile& profile, std::string_view program, const Numbered& numbered, const Architecture& on,
             seccomp_data call) {
  const auto got = support::run_bpf(program, call);
  const SeccompAction wanted = expected(profile, numbered, call);
  cr_assert(got == wanted, "architecture %#x, call %d (%#llx, %#llx, %#llx) answers %#x instead of %#x", on.scmp,
            call.nr, call.args[0], call.args[1], call.args[2], got.value_or(0), wanted);
}

// Every number that could be a call's, and for those with conditions every edge of each argument alone and of all
// together.
void check_program(const Profile& profile, std::string_view program, std::initializer_list<Architecture> all) {
  for (const Architecture& on : all) {
    const Numbered numbered(profile, on.scmp);
    std::vector<std::uint32_t> numbers{on.first + 0x00ffffff, 0x3fffffff - on.first};
    if (on.scmp == SCMP_ARCH_X32) numbers = {0x40ffffff, 0x7fffffff, 0x80000000, 0xfffffffe};
    numbers.push_back(0xffffffff);
    if (on.scmp == SCMP_ARCH_ARM)
      for (std::uint32_t at = 0x0f0000; at < 0x0f0010; ++at) numbers.push_back(at);
    for (std::uint32_t at = 0; at < 1100; ++at) numbers.push_back(on.first + at);
    for (const std::uint32_t number : numbers) {
      if (multiplexed(on.scmp, static_cast<int>(number))) continue;
      seccomp_data call{static_cast<int>(number), on.audit, 0x7f0000001234, {}};
      compare(profile, program, numbered, on, call);
      const auto rules = numbered.of(call.nr);
      const bool conditional =
          std::ranges::any_of(rules, [](const SeccompRule* rule) { return !rule->arguments.empty(); });
      if (!conditional) continue;
      for (const std::uint64_t a : edges(profile, 0))
        for (const std::uint64_t b : edges(profile, 1))
          for (const std::uint64_t c : edges(profile, 2)) {
            call.args[0] = a, call.args[1] = b, call.args[2] = c;
            compare(profile, program, numbered, on, call);
          }
    }
  }
}

std::string compiled(const Profile& profile) {
  auto program = profile_program(profile, -1);
  cr_assert(program.has_value(), "%s", program ? "" : program.error().text.c_str());
  return *program;
}

std::optional<std::uint32_t> answer(const std::string& program, int number, std::uint32_t audit = AUDIT_ARCH_X86_64,
                                    std::uint64_t a = 0, std::uint64_t b = 0) {
  return support::run_bpf(program, {number, audit, 0, {a, b}});
}

// What Podman asks for, cut down to some of each kind of rule.
Profile engines_profile(SeccompAction otherwise = error(EPERM)) {
  return {.default_action = otherwise,
          .architectures = {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32},
          .rules = {
              {{"bdflush", "io_pgetevents", "kexec_file_load", "mbind", "umount", "vm86old"}, error(EPERM), {}},
              {{"_llseek",      "_newselect", "accept",        "accept4",
                "access",       "alarm",      "bind",          "brk",
                "capget",       "capset",     "chdir",         "chmod",
                "chown",        "chown32",    "clock_gettime", "clock_gettime64",
                "clone",        "clone3",     "close",         "close_range",
                "connect",      "dup",        "dup2",          "dup3",
                "epoll_pwait2", "execve",     "exit",          "exit_group",
                "faccessat2",   "fchmodat2",  "futex",         "futex_time64",
                "getpid",       "getrandom",  "ioctl",         "ipc",
                "lseek",        "mmap",       "mmap2",         "mount",
                "no_such_call", "openat",     "openat2",       "pidfd_getfd",
                "read",         "recv",       "recvmsg",       "rt_sigreturn",
                "semctl",       "sendmsg",    "setns",         "socketcall",
                "statx",        "unshare",    "write"},
               kAllow,
               {}},
              {{"personality"}, kAllow, {{0, 0, 0, Compare::kEqual}}},
              {{"personality"}, kAllow, {{0, 8, 0, Compare::kEqual}}},
              {{"personality"}, kAllow, {{0, 0x20000, 0, Compare::kEqual}}},
              {{"personality"}, kAllow, {{0, 0xffffffff, 0, Compare::kEqual}}},
              {{"arch_prctl", "modify_ldt"}, kAllow, {}},
              {{"bpf", "lookup_dcookie", "perf_event_open"}, error(EPERM), {}},
              {{"chroot"}, kAllow, {}},
              {{"socket"}, error(EINVAL), {{0, 16, 0, Compare::kEqual}, {2, 9, 0, Compare::kEqual}}},
              {{"socket"}, kAllow, {{2, 9, 0, Compare::kNotEqual}}},
              {{"socket"}, kAllow, {{0, 16, 0, Compare::kNotEqual}}},
              {{"socket"}, kAllow, {{2, 9, 0, Compare::kNotEqual}}},
          }};
}

// linux.seccomp of a config.json.
Profile profile_of(const json::Value& seccomp) {
  const auto text = [](const json::Value& object, const char* key) {
    return std::string_view(object[key].GetString(), object[key].GetStringLength());
  };
  const auto value = [](const json::Value& object, const char* key) -> std::optional<std::uint32_t> {
    if (!object.HasMember(key)) return std::nullopt;
    return object[key].GetUint();
  };
  Profile profile;
  profile.default_action = *seccomp_action(text(seccomp, "defaultAction"), value(seccomp, "defaultErrnoRet"));
  for (const json::Value& name : seccomp["architectures"].GetArray())
    profile.architectures.push_back(*seccomp_architecture(name.GetString()));
  for (const json::Value& entry : seccomp["syscalls"].GetArray()) {
    SeccompRule rule;
    for (const json::Value& name : entry["names"].GetArray()) rule.names.emplace_back(name.GetString());
    rule.action = *seccomp_action(text(entry, "action"), value(entry, "errnoRet"));
    if (entry.HasMember("args"))
      for (const json::Value& it : entry["args"].GetArray())
        rule.arguments.push_back({it["index"].GetUint(), it["value"].GetUint64(),
                                  it.HasMember("valueTwo") ? it["valueTwo"].GetUint64() : 0,
                                  *seccomp_compare(it["op"].GetString())});
    profile.rules.push_back(std::move(rule));
  }
  return profile;
}

}  // namespace

Test(profile, every_name_of_the_specification_is_a_number_and_no_other_is) {
  const auto action = [](std::string_view name, std::optional<std::uint32_t> value = std::nullopt) {
    const auto found = seccomp_action(name, value);
    return found ? *found : 0xdead;
  };
  cr_assert(action("SCMP_ACT_KILL") == SECCOMP_RET_KILL_THREAD);
  cr_assert(action("SCMP_ACT_KILL_THREAD") == SECCOMP_RET_KILL_THREAD);
  cr_assert(action("SCMP_ACT_KILL_PROCESS") == SECCOMP_RET_KILL_PROCESS);
  cr_assert(action("SCMP_ACT_TRAP") == SECCOMP_RET_TRAP);
  cr_assert(action("SCMP_ACT_ERRNO") == error(EPERM));
  cr_assert(action("SCMP_ACT_ERRNO", 38) == error(ENOSYS));
  cr_assert(action("SCMP_ACT_ERRNO", 0) == error(0));
  cr_assert(action("SCMP_ACT_TRACE") == (SECCOMP_RET_TRACE | 1u));
  cr_assert(action("SCMP_ACT_TRACE", 0xffff) == (SECCOMP_RET_TRACE | 0xffffu));
  cr_assert(action("SCMP_ACT_ALLOW") == SECCOMP_RET_ALLOW);
  cr_assert(action("SCMP_ACT_LOG") == SECCOMP_RET_LOG);
  cr_assert(action("SCMP_ACT_NOTIFY") == SECCOMP_RET_USER_NOTIF);
  for (const char* name : {"", "SCMP_ACT_", "scmp_act_allow", "ALLOW", "SCMP_ACT_ALLOW "})
    cr_assert(action(name) == 0xdead, "%s", name);
  cr_assert(action("SCMP_ACT_ERRNO", 4096) == 0xdead);
  cr_assert(action("SCMP_ACT_TRACE", 0x10000) == 0xdead);
  cr_assert(action("SCMP_ACT_ALLOW", 1) == 0xdead, "an errno that nobody would return");

  const char* names[] = {"X86",     "X86_64",      "X32",    "ARM",      "AARCH64",     "MIPS",
                         "MIPS64",  "MIPS64N32",   "MIPSEL", "MIPSEL64", "MIPSEL64N32", "PPC",
                         "PPC64",   "PPC64LE",     "S390",   "S390X",    "PARISC",      "PARISC64",
                         "RISCV64", "LOONGARCH64", "M68K",   "SH",       "SHEB"};
  std::vector<std::uint32_t> numbers;
  for (const char* name : names) numbers.push_back(*seccomp_architecture(cat("SCMP_ARCH_", name)));
  std::ranges::sort(numbers);
  cr_assert(eq(sz, numbers.size(), 23u));
  cr_assert(std::ranges::adjacent_find(numbers) == numbers.end(), "two architectures are one");
  cr_assert(seccomp_architecture("SCMP_ARCH_NATIVE").has_value() == false);
  cr_assert(seccomp_architecture("X86").has_value() == false);

  const auto flag = [](std::string_view name) {
    const auto found = seccomp_flag(cat("SECCOMP_FILTER_FLAG_", name));
    return found ? *found : 0xdead;
  };
  cr_assert(flag("TSYNC") == 0 && flag("LOG") == 2 && flag("SPEC_ALLOW") == 4 && flag("WAIT_KILLABLE_RECV") == 32);
  cr_assert(flag("NEW_LISTENER") == 0xdead, "not the configuration's to set");
  const auto masked = seccomp_compare("SCMP_CMP_MASKED_EQ");
  cr_assert(masked.has_value() && *masked == Compare::kMaskedEqual);
  cr_assert(seccomp_compare("SCMP_CMP_EQUAL").has_value() == false);
}

Test(profile, an_engines_profile_answers_as_its_rules_do) {
  for (const SeccompAction otherwise : {error(EPERM), error(ENOSYS), SeccompAction{SECCOMP_RET_KILL_PROCESS}}) {
    const Profile profile = engines_profile(otherwise);
    check_program(profile, compiled(profile), {kX86_64, kX86, kX32});
  }
}

Test(profile, podmans_own_profile_answers_as_its_rules_do) {
  const auto text = fs::read(AT_FDCWD, "tests/golden/podman_config.json", 1 << 20);
  if (!text) cr_skip_test("there is no tests/golden/podman_config.json");
  const auto document = json::parse(*text, "podman_config.json");
  cr_assert(document.has_value());
  Profile profile = profile_of((*document)["linux"]["seccomp"]);
  cr_assert(gt(sz, profile.rules.size(), 10u));
  check_program(profile, compiled(profile), {kX86_64, kX86, kX32});
  profile.default_action = error(EPERM);  // with the answer for younger calls, too
  check_program(profile, compiled(profile), {kX86_64, kX86, kX32});
}

Test(profile, profiles_of_any_length_answer_as_their_rules_do) {
  // libseccomp's tree has had trouble with few calls.
  const char* names[] = {"read",  "write", "openat", "close", "stat",   "fstat", "lstat", "poll",  "lseek",
                         "mmap",  "brk",   "ioctl",  "pipe",  "select", "dup",   "pause", "alarm", "getpid",
                         "clone", "fork",  "vfork",  "exit",  "wait4",  "kill",  "uname", "fsync", "statx"};
  for (std::size_t count = 0; count <= std::size(names); ++count) {
    Profile profile{.default_action = error(EPERM), .rules = {{{}, kAllow, {}}}};
    for (std::size_t at = 0; at < count; ++at) profile.rules[0].names.emplace_back(names[at]);
    check_program(profile, compiled(profile), {kX86_64});
    profile.default_action = kAllow;
    profile.rules[0].action = SECCOMP_RET_KILL_PROCESS;
    check_program(profile, compiled(profile), {kX86_64});
  }
}

Test(profile, every_comparison_is_of_all_64_bits) {
  for (const Compare compare : {Compare::kNotEqual, Compare::kLess, Compare::kLessOrEqual, Compare::kEqual,
                                Compare::kGreaterOrEqual, Compare::kGreater, Compare::kMaskedEqual})
    for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{5}, std::uint64_t{0xffffffff},
                                      std::uint64_t{0x100000000}, std::uint64_t{0xfffffffe00000003}}) {
      if (compare == Compare::kMaskedEqual && value == 0) continue;
      const SeccompArgument one{1, value, value & 0x5555555555555555, compare};
      // A comparison that always or never holds is no rule that libseccomp takes in every form; it is not a mistake
      // here.
      const Profile alone{.default_action = error(EPERM), .rules = {{{"ioctl"}, kAllow, {one}}}};
      check_program(alone, compiled(alone), {kX86_64});
      const Profile both{.default_action = kAllow, .rules = {{{"ioctl"}, error(7), {{0, 3, 0, Compare::kEqual}, one}}}};
      check_program(both, compiled(both), {kX86_64});
    }
}

Test(profile, two_conditions_on_one_argument_are_alternatives) {
  const Profile profile{
      .default_action = error(EPERM),
      .rules = {
          {{"personality"}, kAllow, {{0, 0, 0, Compare::kEqual}, {0, 8, 0, Compare::kEqual}}},
          {{"socket"}, kAllow, {{0, 1, 0, Compare::kEqual}, {0, 2, 0, Compare::kEqual}, {2, 9, 0, Compare::kEqual}}}}};
  const std::string program = compiled(profile);
  check_program(profile, program, {kX86_64});
  cr_assert(answer(program, 135, AUDIT_ARCH_X86_64, 8) == kAllow);
  cr_assert(answer(program, 135, AUDIT_ARCH_X86_64, 4) == error(EPERM));
}

Test(profile, a_rule_without_conditions_wins_wherever_it_stands) {
  const SeccompRule always{{"socket"}, error(7), {}};
  const SeccompRule sometimes{{"socket"}, kAllow, {{0, 1, 0, Compare::kEqual}}};
  for (const auto& rules : {std::vector{always, sometimes}, std::vector{sometimes, always},
                            std::vector{always, SeccompRule{{"socket"}, kAllow, {}}}}) {
    const std::string program = compiled({.default_action = error(EPERM), .rules = rules});
    cr_assert(answer(program, 41, AUDIT_ARCH_X86_64, 1) == error(7));
    cr_assert(answer(program, 41, AUDIT_ARCH_X86_64, 2) == error(7));
  }
}

Test(profile, a_rule_that_says_what_the_default_says_is_dropped) {
  const std::string program =
      compiled({.default_action = error(EPERM),
                .rules = {{{"socket"}, error(EPERM), {}}, {{"socket"}, kAllow, {{0, 1, 0, Compare::kEqual}}}}});
  cr_assert(answer(program, 41, AUDIT_ARCH_X86_64, 1) == kAllow);
  cr_assert(answer(program, 41, AUDIT_ARCH_X86_64, 2) == error(EPERM));
}

Test(profile, the_same_rule_twice_is_no_error) {
  const SeccompRule rule{{"socket"}, kAllow, {{0, 1, 0, Compare::kEqual}}};
  SeccompRule contradicts = rule;
  contradicts.action = error(7);
  const std::string program = compiled({.default_action = error(EPERM), .rules = {rule, rule, contradicts}});
  cr_assert(answer(program, 41, AUDIT_ARCH_X86_64, 1) == kAllow, "the first one holds");
}

Test(profile, younger_calls_fail_with_enosys_only_where_the_default_is_another_error) {
  Profile profile{
      .default_action = error(EPERM), .architectures = {SCMP_ARCH_X86}, .rules = {{{"openat"}, kAllow, {}}}};
  std::string program = compiled(profile);
  cr_assert(answer(program, 257) == kAllow && answer(program, 256) == error(EPERM));
  cr_assert(answer(program, 258) == error(ENOSYS) && answer(program, 0x3fffffff) == error(ENOSYS));
  cr_assert(answer(program, -1) == error(EPERM), "no call: a tracer's mark");
  cr_assert(answer(program, kX32Bit + 600) == SECCOMP_RET_KILL_THREAD, "x32 is not among the architectures");
  cr_assert(answer(program, 295, AUDIT_ARCH_I386) == kAllow && answer(program, 294, AUDIT_ARCH_I386) == error(EPERM));
  cr_assert(answer(program, 296, AUDIT_ARCH_I386) == error(ENOSYS), "i386 has numbers of its own");
  cr_assert(answer(program, kX32Bit, AUDIT_ARCH_I386) == error(ENOSYS));
  cr_assert(answer(program, -1, AUDIT_ARCH_I386) == error(EPERM));
  cr_assert(answer(program, 296, AUDIT_ARCH_AARCH64) == SECCOMP_RET_KILL_THREAD);

  profile.architectures = {SCMP_ARCH_X32};
  program = compiled(profile);
  cr_assert(answer(program, kX32Bit + 257) == kAllow && answer(program, kX32Bit + 256) == error(EPERM));
  cr_assert(answer(program, kX32Bit + 258) == error(ENOSYS) && answer(program, 258) == error(ENOSYS));
  cr_assert(answer(program, -1) == error(EPERM));
  cr_assert(answer(program, 5, AUDIT_ARCH_I386) == SECCOMP_RET_KILL_THREAD);

  // A name counts even if its rule says no more than the default, and if libseccomp makes no rule of it.
  profile.rules.push_back({{"statx"}, error(EPERM), {}});
  program = compiled(profile);
  cr_assert(answer(program, 332) == error(EPERM) && answer(program, 333) == error(ENOSYS));
  profile.rules = {{{"no_such_call"}, kAllow, {}}};
  cr_assert(answer(compiled(profile), 1000) == error(EPERM), "no name, no highest number");

  for (const SeccompAction other : {kAllow, SeccompAction{SECCOMP_RET_KILL_PROCESS}, SeccompAction{SECCOMP_RET_TRAP},
                                    SeccompAction{SECCOMP_RET_LOG}, SECCOMP_RET_TRACE | 1u, error(ENOSYS)}) {
    program = compiled({.default_action = other, .rules = {{{"openat"}, error(7), {}}}});
    cr_assert(answer(program, 300) == other && answer(program, 257) == error(7), "%#x", other);
  }
}

Test(profile, an_architecture_that_cannot_be_added_leaves_the_others_as_they_are) {
  Profile profile = engines_profile();
  const std::string without = compiled(profile);
  for (const char* name : {"SCMP_ARCH_S390X", "SCMP_ARCH_PPC64", "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",
                           "SCMP_ARCH_SH", "SCMP_ARCH_SHEB"})
    profile.architectures.push_back(*seccomp_architecture(name));
  cr_assert(compiled(profile) == without);
  profile.architectures.insert(profile.architectures.end(), {SCMP_ARCH_AARCH64, SCMP_ARCH_ARM});
  profile.rules.push_back({{"breakpoint", "set_tls"}, kAllow, {}});
  const std::string with = compiled(profile);
  check_program(profile, with, {kX86_64, kX86, kX32, kAarch64, kArm});
  cr_assert(answer(with, 0x0f0005, AUDIT_ARCH_ARM) == kAllow, "set_tls, without which no program of ARM starts");
}

Test(profile, what_notify_cannot_do_is_refused) {
  const auto refused = [](const Profile& profile) { return !profile_program(profile, -1).has_value(); };
  Profile profile{.default_action = kAllow, .rules = {{{"mkdir"}, SECCOMP_RET_USER_NOTIF, {}}}};
  cr_assert(profile.notifies() && refused(profile), "without a listener");
  profile.listener_path = "/run/listener";
  cr_assert(refused(profile) == false);
  cr_assert(answer(compiled(profile), 83) == SECCOMP_RET_USER_NOTIF);
  cr_assert(profile.load_flags() == SECCOMP_FILTER_FLAG_NEW_LISTENER);
  profile.flags = SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  cr_assert(profile.load_flags() == (profile.flags | SECCOMP_FILTER_FLAG_NEW_LISTENER));
  profile.rules.push_back({{"write", "sendmsg"}, SECCOMP_RET_USER_NOTIF, {{0, 9, 0, Compare::kEqual}}});
  cr_assert(refused(profile), "for the call that hands the listener over");
  profile.rules = {{{"sendmsg"}, error(1), {}}};
  cr_assert(profile.notifies() == false && !refused(profile));
  cr_assert(profile.load_flags() == SECCOMP_FILTER_FLAG_LOG, "without a listener nobody is waited for");
  profile.default_action = SECCOMP_RET_USER_NOTIF;
  cr_assert(refused(profile), "as the default");
  profile = {.default_action = kAllow, .listener_metadata = "for nobody"};
  cr_assert(refused(profile), "metadata without a listener");
}

Test(profile, an_argument_that_no_call_has_is_refused) {
  const auto has = [](std::uint32_t index) {
    return profile_program(
               {.default_action = kAllow, .rules = {{{"read"}, error(1), {{index, 1, 0, Compare::kEqual}}}}}, -1)
        .has_value();
  };
  cr_assert(has(5) && !has(6) && !has(0xffffffff));
}

Test(profile, the_program_comes_from_the_cache_the_second_time_and_only_for_the_same_profile) {
  const TemporaryDirectory cache;
  const Profile profile = engines_profile();
  const std::string program = *profile_program(profile, cache.fd());
  cr_assert(eq(sz, fs::list(cache.fd())->size(), 1u));
  const std::string file = fs::list(cache.fd())->at(0);

  // Another program under the same key comes back, so it is the file that is used.
  const std::string content = *fs::read(cache.fd(), file, 1 << 20);
  const std::string key = content.substr(16, content.size() - 16 - program.size());
  const std::string other = compiled({.default_action = kAllow});
  cr_assert(cache_program(cache.fd(), key, other).has_value());
  cr_assert(other == *profile_program(profile, cache.fd()));

  const auto misses = [&](const Profile& changed, const char* what) {
    const auto made = profile_program(changed, cache.fd());
    cr_assert(made.has_value() && *made != other, "%s makes no difference", what);
  };
  Profile changed = profile;
  changed.default_action = error(7);
  misses(changed, "the default");
  changed = profile;
  changed.architectures.pop_back();
  misses(changed, "an architecture");
  changed = profile;
  changed.rules[1].action = SECCOMP_RET_LOG;
  misses(changed, "an action");
  changed = profile;
  changed.rules[1].names.pop_back();
  misses(changed, "a name");
  changed = profile;
  changed.rules[2].arguments[0].value = 1;
  misses(changed, "a value");
  changed = profile;
  changed.rules[2].arguments[0].compare = Compare::kGreater;
  misses(changed, "an operator");
  changed = profile;
  changed.rules[2].arguments[0].index = 1;
  misses(changed, "an index");
  changed = profile;
  changed.rules[1].names[0] = cat(profile.rules[1].names[0], " 4:read");
  misses(changed, "a name that looks like two");
  cr_assert(eq(sz, fs::list(cache.fd())->size(), 9u));
}

Test(profile, a_cached_program_that_is_not_exactly_ours_is_compiled_again) {
  const TemporaryDirectory cache;
  const Profile profile{.default_action = error(EPERM), .rules = {{{"read", "write"}, kAllow, {}}}};
  const std::string program = *profile_program(profile, cache.fd());
  const std::string name = fs::list(cache.fd())->at(0);
  const std::string good = *fs::read(cache.fd(), name, 1 << 20);
  const auto compiled_again = [&](const char* what) {
    const auto again = profile_program(profile, cache.fd());
    cr_assert(again.has_value() && *again == program, "%s", what);
  };
  const auto put = [&](std::string_view content, unsigned mode = 0600) {
    cr_assert(fs::replace(cache.fd(), name, content, mode, fs::Durable::kNo).has_value());
  };
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string corrupt = good;
    corrupt[at] = static_cast<char>(corrupt[at] ^ 4);
    put(corrupt);
    compiled_again("a changed byte");
    cr_assert(good == *fs::read(cache.fd(), name, 1 << 20), "the good file is not back after byte %zu", at);
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    put(good.substr(0, size));
    compiled_again("a truncated file");
  }
  put(good + good.substr(good.size() - 8));
  compiled_again("a longer file");
  put(good, 0644);
  compiled_again("a file for all to read");
  put(good, 0606);
  compiled_again("a file for all to write");
  if (::geteuid() == 0) {
    cr_assert(0 == ::fchownat(cache.fd(), name.c_str(), 65534, 65534, 0));
    compiled_again("somebody else's file");
  }
  cr_assert(0 == ::unlinkat(cache.fd(), name.c_str(), 0) && 0 == ::mkdirat(cache.fd(), name.c_str(), 0700));
  compiled_again("a directory");
}

Test(profile, the_kernel_takes_the_program_and_answers_the_same) {
  Profile profile = engines_profile();
  profile.flags = SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  const std::string program = compiled(profile);
  const auto status = [&](auto act) {
    const pid_t child = ::fork();
    if (child == 0) {
      const sock_fprog filter{static_cast<unsigned short>(program.size() / sizeof(sock_filter)),
                              reinterpret_cast<sock_filter*>(const_cast<char*>(program.data()))};
      if (sys::prctl(PR_SET_NO_NEW_PRIVS, 1) < 0) sys::exit_group(100);
      if (sys::seccomp(SECCOMP_SET_MODE_FILTER, profile.load_flags(), &filter) < 0) sys::exit_group(101);
      const int result = act();
      for (;;) sys::raw(__NR_exit_group, result);  // before a function that does not return asan makes calls of its own
    }
    int end = 0;
    cr_assert(child > 0 && child == ::waitpid(child, &end, 0));
    return WIFEXITED(end) ? WEXITSTATUS(end) : 1000 + WTERMSIG(end);
  };
  const auto answers = status([] {
    const struct {
      long number, first, second, third, answer;
    } calls[] = {{__NR_personality, 4, 0, 0, -EPERM},
                 {__NR_personality, -1, 0, 0, -EPERM},
                 {__NR_socket, 16, 3, 9, -EINVAL},
                 {__NR_perf_event_open, 0, 0, 0, -EPERM},
                 {__NR_getppid, 0, 0, 0, -EPERM},
                 {__NR_close, -1, 0, 0, -EBADF},
                 {600, 0, 0, 0, -ENOSYS},
                 {0x3fffffff, 0, 0, 0, -ENOSYS},
                 {0x40000000 + 600, 0, 0, 0, -ENOSYS},
                 {0x40000000 + 110, 0, 0, 0, -EPERM}};
    for (const auto& call : calls)
      if (sys::raw(call.number, call.first, call.second, call.third) != call.answer)
        return static_cast<int>(&call - calls) + 1;
    return 0;
  });
  cr_assert(eq(int, int{answers}, 0));
  profile.architectures.clear();
  const std::string native = compiled(profile);
  cr_assert(answer(native, 0x40000000 + 110) == SECCOMP_RET_KILL_THREAD);
}
