// An environment is parsed, compared and described without touching anything.
#include "cli/app/environment.h"

#include <criterion/criterion.h>

using namespace convox::app;

namespace {

std::string error_of(std::string_view text) {
  const auto result = parse_environment(text);
  return result ? "(none)" : result.error().text;
}

}  // namespace

Test(environment, a_value_is_everything_behind_the_first_equals_sign) {
  const auto environment = parse_environment("URL=postgres://h/db?a=b\nEMPTY=\nQUOTED=\"x y\" \r\n\n# note\nURL2==\n");
  cr_assert(environment.has_value());
  const Environment expected{{"URL", "postgres://h/db?a=b"}, {"EMPTY", ""}, {"QUOTED", "\"x y\" "}, {"URL2", "="}};
  cr_assert(*environment == expected);
}

Test(environment, a_line_that_is_no_assignment_is_an_error_that_does_not_repeat_it) {
  cr_assert(error_of("A=1\nsecret words\n") == "line 2: an assignment must have the form NAME=VALUE");
  cr_assert(error_of("=x") == "line 1: not a name for a variable: (empty)");
  cr_assert(error_of("A B=x") == "line 1: not a name for a variable: A B");
  cr_assert(error_of("1A=x") == "line 1: not a name for a variable: 1A");
  cr_assert(!parse_assignment("A=two\nlines").has_value());
  cr_assert(!parse_assignment(std::string_view("A=n\0ul", 6)).has_value());
}

Test(environment, changes_are_named_by_kind_and_in_order) {
  const Environment before{{"B", "1"}, {"C", "1"}, {"D", "1"}, {"Z", "1"}};
  const Environment after{{"A", "1"}, {"B", "2"}, {"D", "1"}, {"E", "1"}};
  const std::string changes = describe_changes(before, after);
  cr_assert(changes == "env add:A add:E change:B remove:C remove:Z", "%s", changes.c_str());
  cr_assert(describe_changes(before, before).empty());
}
