// How is an amount of memory written? As a number of MB, or with its unit: 512, 512m, 512mb, 512Mi, 1.5g.
//
// Units are powers of 1024 whatever their spelling, as the kernel and Docker count; upper and lower case mean the same.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::cli {

inline constexpr std::int64_t kMegabyte = 1 << 20;

// Bytes. A number without a unit counts `unit` bytes. Errors begin with what was written: `"12x" is not a size`.
Result<std::int64_t> parse_size(std::string_view text, std::int64_t unit = kMegabyte);

// "107.7MB": one decimal below 1024 of the largest unit that fits, none for bytes.
std::string size_text(std::int64_t bytes);

}  // namespace convox::cli
