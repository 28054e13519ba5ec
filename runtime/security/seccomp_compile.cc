#include "runtime/security/seccomp_compile.h"

#include <linux/memfd.h>
#include <seccomp.h>

#include <bit>
#include <cerrno>
#include <cstdio>

#include "runtime/base/fs.h"

namespace convox::security {
namespace {

// Can arguments in `cube` pass `test`?
bool possible(const ArgumentTest& test, const Cube& cube) {
  const std::uint32_t known = cube.mask[test.argument] & test.mask;
  return ((cube.value[test.argument] ^ test.value) & known) == 0;
}

// Halves the cube by one bit until all rows that are still possible in it give the same answer. The bit is the highest
// one that the first possible row asks for, so that a row's values end up in one half each time.
void cut(const Cube& cube, std::span<const ArgumentRow> rows, CapabilitySet granted, std::vector<Rule>& rules) {
  std::vector<ArgumentRow> left;
  bool agreed = true;
  for (const ArgumentRow& row : rows) {
    if (!possible(row.first, cube) || !possible(row.second, cube)) continue;
    left.push_back(row);
    const ArgumentRow& first = left.front();
    agreed &= answer(row.allowed_with, row.otherwise, granted) == answer(first.allowed_with, first.otherwise, granted);
  }
  const ArgumentRow& first = left.front();
  const bool decided = agreed || ((first.first.mask & ~cube.mask[first.first.argument]) == 0 &&
                                  (first.second.mask & ~cube.mask[first.second.argument]) == 0);
  if (decided) {
    rules.push_back({cube, answer(first.allowed_with, first.otherwise, granted)});
    return;
  }
  for (const ArgumentTest& test : {first.first, first.second}) {
    const std::uint32_t open = test.mask & ~cube.mask[test.argument];
    if (!open) continue;
    Cube half = cube;
    half.mask[test.argument] |= std::bit_floor(open);
    cut(half, left, granted, rules);
    half.value[test.argument] |= std::bit_floor(open);
    cut(half, left, granted, rules);
    return;
  }
}

struct Context {
  scmp_filter_ctx filter = nullptr;
  explicit Context(scmp_filter_ctx made) : filter(made) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { seccomp_release(filter); }
};

constexpr Answer kDefault = ENOSYS;

Result<> add(const Context& context, std::string_view call, const Rule& rule) {
  if (rule.answer == kDefault) return ok();  // libseccomp refuses a rule that says what it would do anyway
  const int number = TRY(call_number(call));
  if (number == kNotHere) return ok();
  std::vector<scmp_arg_cmp> tests;
  for (unsigned n = 0; n < rule.cube.mask.size(); ++n)
    if (rule.cube.mask[n]) tests.push_back({n, SCMP_CMP_MASKED_EQ, rule.cube.mask[n], rule.cube.value[n]});
  const std::uint32_t action =
      rule.answer == kAllow ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(static_cast<std::uint32_t>(rule.answer));
  TRY(check(
      seccomp_rule_add_exact_array(context.filter, action, number, static_cast<unsigned>(tests.size()), tests.data()),
      "seccomp_rule_add", call));
  return ok();
}

Result<> add_all(const Context& context, CapabilitySet granted) {
  for (const CallRow& row : call_rows()) {
    const Answer all = answer(row.allowed_with, row.otherwise, granted);
    for (const std::string_view call : words(row.calls)) TRY(add(context, call, {{}, all}));
  }
  const std::span<const ArgumentRow> rows = argument_rows();
  for (std::size_t at = 0; at < rows.size();) {
    std::size_t end = at;
    while (end < rows.size() && rows[end].call == rows[at].call) ++end;
    for (const Rule& rule : disjoint(rows.subspan(at, end - at), granted)) TRY(add(context, rows[at].call, rule));
    at = end;
  }
  return ok();
}

}  // namespace

std::vector<Rule> disjoint(std::span<const ArgumentRow> rows, CapabilitySet granted) {
  std::vector<Rule> rules;
  cut({}, rows, granted, rules);
  return rules;
}

Result<std::string> compile_filter(CapabilitySet granted) {
  // The context is for the native architecture only. A call by another ABI (i386's int 0x80, x32's numbers) is the bad
  // architecture below: its numbers mean other calls, so letting it pass would pass the filter by.  seccomp(2),
  // "Caveats"
  const Context context(seccomp_init(SCMP_ACT_ERRNO(kDefault)));
  if (!context.filter) return os_error("seccomp_init", "", Errno(-ENOMEM));
  TRY(check(seccomp_attr_set(context.filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)), "seccomp_attr_set",
            "badarch"));
  TRY(check(seccomp_attr_set(context.filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), "seccomp_attr_set", "optimize"));
  TRY(add_all(context, granted), "seccomp policy");
  UniqueFd file(TRY(check(sys::memfd_create("seccomp", MFD_CLOEXEC), "memfd_create", "seccomp")));
  TRY(check(seccomp_export_bpf(context.filter, file.get()), "seccomp_export_bpf", ""));  // to a descriptor only, in 2.5
  TRY(check(sys::lseek(file.get(), 0, SEEK_SET), "lseek", "seccomp"));
  return fs::read_all(file.get(), "the seccomp program", 65536);
}

}  // namespace convox::security
