#include "runtime/security/seccomp_verify.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>

#include "runtime/security/bpf.h"

namespace convox::security {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kNative = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kNative = AUDIT_ARCH_AARCH64;
#endif

bool holds(const ArgumentTest& test, const seccomp_data& call) {
  return test.argument == ArgumentTest::kNone || (call.args[test.argument] & test.mask) == test.value;
}

// What the policy says: the first row that matches answers.
std::uint32_t wanted(std::span<const ArgumentRow> rows, const seccomp_data& call, CapabilitySet granted) {
  Answer says = ENOSYS;
  for (const ArgumentRow& row : rows)
    if (holds(row.first, call) && holds(row.second, call)) {
      says = answer(row.allowed_with, row.otherwise, granted);
      break;
    }
  return says == kAllow ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(says);
}

// Values of an argument at which some row might change its mind: each value that a row names, and those one bit away,
// with the upper half empty and full.
std::vector<std::uint64_t> edges(std::span<const ArgumentRow> rows, int argument) {
  std::vector<std::uint32_t> near{0, 0xffffffff};
  for (const ArgumentRow& row : rows)
    for (const ArgumentTest& test : {row.first, row.second}) {
      if (test.argument != argument) continue;
      near.push_back(test.value);
      for (int one = 0; one < 32; ++one) near.push_back(test.value ^ std::uint32_t{1} << one);
    }
  std::sort(near.begin(), near.end());
  near.erase(std::unique(near.begin(), near.end()), near.end());
  std::vector<std::uint64_t> values(near.begin(), near.end());
  for (const std::uint32_t low : near) values.push_back(0xffffffff00000000 | low);
  return values;
}

}  // namespace

Result<> verify_filter(std::string_view program, CapabilitySet granted) {
  const std::optional<Program> parsed = Program::parse(program);
  if (!parsed) return invalid("libseccomp wrote a program that the kernel would not take");
  for (const std::span<const ArgumentRow> rows : argument_rows()) {
    const int number = TRY(call_number(rows.front().call));
    const int first = rows.front().first.argument;
    int second = (first + 1) % 6;  // any other, where no row asks for a second one
    for (const ArgumentRow& row : rows)
      if (row.second.argument != ArgumentTest::kNone) second = row.second.argument;
    const std::vector<std::uint64_t> seconds = edges(rows, second);
    for (const std::uint64_t a : edges(rows, first))
      for (const std::uint64_t b : seconds) {
        seccomp_data call{number, kNative, 0, {}};
        call.args[first] = a;
        call.args[second] = b;
        if (parsed->answer(call) != wanted(rows, call, granted))
          return invalid(cat("libseccomp's program answers ", rows.front().call, "(", a, ", ", b, ") with ",
                             parsed->answer(call), " instead of ", wanted(rows, call, granted)));
      }
  }
  return ok();
}

}  // namespace convox::security
