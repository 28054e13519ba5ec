// Do the ordered rows of the policy become rules that mean the same in any order?
#include "runtime/security/seccomp_compile.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <random>

#include "runtime/security/seccomp.h"

using namespace convox;
using namespace convox::security;

Test(seccomp_compile, the_embedded_filter_is_what_libseccomp_makes_now) {
  auto now = compile_filter(kDefaultCapabilities);
  cr_assert(now.has_value());
  cr_assert(now->compare(default_filter()) == 0);
}

Test(seccomp_compile, rules_of_one_call_never_overlap_and_leave_nothing_out) {
  std::mt19937 random(1);
  const auto rows = argument_rows();
  for (std::size_t at = 0, end = 0; at < rows.size(); at = end) {
    while (end < rows.size() && rows[end].call == rows[at].call) ++end;
    const auto rules = disjoint(rows.subspan(at, end - at), kDefaultCapabilities);
    for (int trial = 0; trial < 5000; ++trial) {
      std::array<std::uint32_t, 6> arguments{};
      // Near a value that some row names, most bits right: random words alone would hardly ever meet a row.
      const ArgumentRow& near = rows[at + random() % (end - at)];
      for (std::uint32_t& word : arguments) word = trial % 2 ? random() : random() % 64;
      for (const ArgumentTest& test : {near.first, near.second})
        arguments[test.argument] = (arguments[test.argument] & ~test.mask) | test.value;
      if (trial % 3 == 0) arguments[random() % 3] ^= 1u << random() % 32;
      int matching = 0;
      for (const Rule& rule : rules) {
        bool all = true;
        for (std::size_t n = 0; n < 6; ++n) all &= (arguments[n] & rule.cube.mask[n]) == rule.cube.value[n];
        matching += all;
      }
      if (matching != 1) cr_fatal("%d rules of %s match", matching, std::string(rows[at].call).c_str());
    }
  }
}

Test(seccomp_compile, a_call_has_a_number_or_is_elsewhere_or_is_an_error) {
  const auto number = [](std::string_view name) {
    auto found = call_number(name);
    return found ? *found : -1000;
  };
  cr_assert(eq(int, number("read"), 0));
  cr_assert(eq(int, number("statmount"), 457));
  cr_assert(eq(int, number("vm86"), int{kNotHere}));
  cr_assert(eq(int, number("raed"), -1000));
}
