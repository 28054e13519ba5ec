// Is the embedded program the one that the policy gives, and are its names numbers?
#include "runtime/security/seccomp_compile.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "runtime/security/seccomp.h"

using namespace convox;
using namespace convox::security;

Test(seccomp_compile, the_embedded_filter_is_what_libseccomp_makes_now) {
  auto now = compile_filter(kDefaultCapabilities);
  cr_assert(now.has_value());
  cr_assert(now->compare(default_filter()) == 0);
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
