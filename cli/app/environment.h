// What is an app's environment?
//
// A sorted set of NAME=VALUE, stored whole in every release: changing a variable makes a new release, so that what a
// release runs with never changes. A value is everything after the first `=`, without quoting rules, on one line.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/result.h"

namespace convox::app {

using Environment = std::map<std::string, std::string, std::less<>>;

// Letters, digits, `_` and `.`, beginning with a letter or `_`. No `-`: in convox.yml, ${A-b} would look like a
// default.
bool is_variable_name(std::string_view name);

// "NAME=VALUE". A word without `=` is an error: ignoring it would hide a typo.
Result<std::pair<std::string, std::string>> parse_assignment(std::string_view text);

// One assignment a line; blank lines and lines that begin with `#` are skipped. Later lines win.
Result<Environment> parse_environment(std::string_view text);

// One NAME=VALUE a line, sorted, without a newline at the end.
std::string print(const Environment& environment);

// "env add:A change:B remove:C", every kind in the order of names; empty if nothing differs.
std::string describe_changes(const Environment& before, const Environment& after);

// Names of `has` that `lacks` does not have, sorted.
std::vector<std::string> names_missing(const Environment& has, const Environment& lacks);

// "A, B, C"
std::string join(const std::vector<std::string>& words, std::string_view between);

}  // namespace convox::app
