#include "cli/sizes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "runtime/base/words.h"

namespace convox::cli {
namespace {

// 0 for k, 1 for m, ... after the optional `i` and `b` of Ki and kb are gone.
std::optional<std::int64_t> unit_of(std::string suffix, std::int64_t plain) {
  std::ranges::transform(suffix, suffix.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (suffix.empty()) return plain;
  if (suffix == "b") return 1;
  if (suffix.size() > 1 && suffix.ends_with('b')) suffix.pop_back();
  if (suffix.size() > 1 && suffix.ends_with('i')) suffix.pop_back();
  const std::size_t power = std::string_view("kmgt").find(suffix);
  if (suffix.size() != 1 || power == std::string_view::npos) return std::nullopt;
  return std::int64_t{1} << (10 * (power + 1));
}

}  // namespace

Result<std::int64_t> parse_size(std::string_view text, std::int64_t plain) {
  std::string_view rest = text;
  const double number = take_decimal(rest);
  const auto unit = unit_of(std::string(rest), plain);
  const double bytes = number * static_cast<double>(unit.value_or(0));
  const bool is_number = number >= 0 && text[0] != '.';
  if (!is_number || !unit || bytes >= static_cast<double>(std::numeric_limits<std::int64_t>::max()))
    return invalid(cat("\"", text, "\" is not a size"));
  return static_cast<std::int64_t>(bytes);
}

std::string size_text(std::int64_t bytes) {
  constexpr std::array<std::string_view, 5> units = {"B", "KB", "MB", "GB", "TB"};
  if (bytes < 1024) return cat(bytes, units[0]);
  std::size_t unit = 0;
  auto amount = static_cast<double>(bytes);
  // 1023.95 would be printed as 1024.0, so it is already one of the next unit.
  for (; unit + 1 < units.size() && amount >= 1023.95; ++unit) amount /= 1024;
  const auto tenths = std::llround(amount * 10);
  return cat(tenths / 10, ".", tenths % 10, units[unit]);
}

}  // namespace convox::cli
