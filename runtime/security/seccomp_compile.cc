#include "runtime/security/seccomp_compile.h"

#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "runtime/security/seccomp_context.h"
#include "runtime/security/seccomp_verify.h"

namespace convox::security {
namespace {

constexpr Answer kDefault = ENOSYS;

Result<> add(const SeccompContext& context, std::string_view call, Answer says,
             std::initializer_list<ArgumentTest> tests) {
  if (says == kDefault) return ok();  // libseccomp refuses a rule that says what it would do anyway
  const int number = TRY(call_number(call));
  if (number == kNotHere) return ok();
  std::vector<scmp_arg_cmp> comparisons;
  for (const ArgumentTest& test : tests) {
    if (test.argument == ArgumentTest::kNone) continue;
    const auto argument = static_cast<unsigned>(test.argument);
    comparisons.push_back(test.mask ? scmp_arg_cmp{argument, SCMP_CMP_MASKED_EQ, test.mask, test.value}
                                    : scmp_arg_cmp{argument, SCMP_CMP_GE, 0, 0});
  }
  const std::uint32_t action = says == kAllow ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(static_cast<std::uint32_t>(says));
  const auto count = static_cast<unsigned>(comparisons.size());
  TRY(check(seccomp_rule_add_exact_array(context.filter, action, number, count, comparisons.data()), "seccomp_rule_add",
            call));
  return ok();
}

Result<> add_all(const SeccompContext& context, CapabilitySet granted) {
  for (const CallRow& row : call_rows())
    for (const std::string_view call : words(row.calls))
      TRY(add(context, call, answer(row.allowed_with, row.otherwise, granted), {}));
  for (const std::span<const ArgumentRow> rows : argument_rows()) {
    const auto says = [&](const ArgumentRow& row) { return answer(row.allowed_with, row.otherwise, granted); };
    const bool agreed = std::ranges::all_of(rows, [&](const ArgumentRow& row) { return says(row) == says(rows[0]); });
    if (agreed) {  // no test: the kernel then remembers the answer and does not run the program for this call
      TRY(add(context, rows[0].call, says(rows[0]), {}));
      continue;
    }
    for (const ArgumentRow& row : rows) TRY(add(context, row.call, says(row), {row.first, row.second}));
  }
  return ok();
}

}  // namespace

Result<std::string> compile_filter(CapabilitySet granted) {
  // The context is for the native architecture only. A call by another ABI (i386's int 0x80, x32's numbers) is the bad
  // architecture below: its numbers mean other calls, so letting it pass would pass the filter by.  seccomp(2),
  // "Caveats"
  const SeccompContext context(SCMP_ACT_ERRNO(kDefault));
  if (!context.filter) return os_error("seccomp_init", "", Errno(-ENOMEM));
  TRY(check(seccomp_attr_set(context.filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)), "seccomp_attr_set",
            "badarch"));
  TRY(context.use_tree());
  TRY(add_all(context, granted), "seccomp policy");
  std::string program = TRY(context.program());
  TRY(verify_filter(program, granted));
  return program;
}

}  // namespace convox::security
