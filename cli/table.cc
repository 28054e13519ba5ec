#include "cli/table.h"

#include <algorithm>

#include "cli/output.h"
#include "cli/text.h"

namespace convox::cli {
namespace {

constexpr std::size_t kLeast = 8;  // columns of the last one, however narrow the terminal is

std::string padding(std::size_t width, std::string_view text) {
  return std::string(width - display_width(text) + 2, ' ');
}

}  // namespace

std::string Table::text(std::size_t width) const {
  std::vector<std::vector<std::string>> rows = rows_;
  std::vector<std::size_t> widths(rows[0].size());
  for (auto& row : rows) {
    row.resize(widths.size());
    for (std::size_t column = 0; column < row.size(); ++column) {
      row[column] = escaped(row[column]);
      widths[column] = std::max(widths[column], display_width(row[column]));
    }
  }
  std::size_t last = 0;  // where the last column begins
  for (std::size_t column = 0; column + 1 < widths.size(); ++column) last += widths[column] + 2;
  if (width != std::string::npos)
    for (auto& row : rows) row.back() = fitted(row.back(), width > last + kLeast ? width - last : kLeast);
  std::string text;
  for (const auto& row : rows) {
    const Colour colour = &row == &rows[0] ? Colour::kHeader : Colour::kValue;
    for (std::size_t column = 0; column < row.size(); ++column) {
      text += paint(colour, row[column]);
      text += column + 1 < row.size() ? padding(widths[column], row[column]) : "\n";
    }
  }
  return text;
}

std::string Info::text() const {
  std::size_t width = 0;
  for (const auto& [header, value] : rows_) width = std::max(width, display_width(header));
  std::string text;
  for (const auto& [header, value] : rows_) {
    text += cat(paint(Colour::kHeader, header), padding(width, header));
    for (std::size_t at = 0; at <= value.size();) {
      const std::size_t end = std::min(value.find('\n', at), value.size());
      if (at > 0) text += std::string(width + 2, ' ');
      text += cat(paint(Colour::kValue, escaped(std::string_view(value).substr(at, end - at))), "\n");
      at = end + 1;
    }
  }
  return text;
}

}  // namespace convox::cli
