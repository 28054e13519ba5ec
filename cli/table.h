// How are rows of things laid out, and the properties of one thing?
//
// As Convox does, since scripts cut these columns: two spaces between columns, the header always, the last column as it
// is. Widths are columns of a terminal; cells are escaped.
#pragma once
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace convox::cli {

class Table {
 public:
  Table(std::initializer_list<std::string_view> headers) : rows_{{headers.begin(), headers.end()}} {}
  explicit Table(std::span<const std::string_view> headers) : rows_{{headers.begin(), headers.end()}} {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // With `width`, of a terminal, the last column is cut so that no row needs a second line.
  std::string text(std::size_t width = std::string::npos) const;

 private:
  std::vector<std::vector<std::string>> rows_;  // the first is the header
};

// "Id       R..." for each property. A value of several lines goes on below its first.
class Info {
 public:
  void add(std::string_view header, std::string value) { rows_.emplace_back(header, std::move(value)); }
  std::string text() const;

 private:
  std::vector<std::pair<std::string, std::string>> rows_;
};

}  // namespace convox::cli
