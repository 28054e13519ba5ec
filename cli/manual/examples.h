// How is each command used? Lines to type, for the manual pages.
#pragma once
#include <span>
#include <string_view>

namespace convox::manual {

struct Example {
  std::string_view line, meaning;
};

// Empty if there are none.
std::span<const Example> examples(std::string_view command);

}  // namespace convox::manual
