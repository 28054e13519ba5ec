// What a test expects of a text. Criterion's own comparison of strings keeps a pointer into a temporary.
#pragma once
#include <criterion/criterion.h>

#include <source_location>
#include <string>
#include <string_view>

inline void expect_text(std::string_view got, std::string_view expected,
                        std::source_location at = std::source_location::current()) {
  cr_expect(got == expected, "line %u: got \"%s\"", at.line(), std::string(got).c_str());
}
