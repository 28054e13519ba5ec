#include "runtime/host_ids.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>

#include "runtime/base/fs.h"

namespace convox::runtime {

bool overlaps(const std::vector<IdRange>& ranges, IdRange range) {
  const auto end = [](IdRange r) { return std::uint64_t{r.first} + r.count; };
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](IdRange other) { return other.first < end(range) && range.first < end(other); });
}

std::vector<IdRange> parse_subordinate_ids(std::string_view text) {
  std::vector<IdRange> ranges;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t first = line.find(':'), second = line.rfind(':');
    if (first == std::string_view::npos || second <= first) continue;
    IdRange range;
    const auto number = [&](std::size_t from, std::size_t to, std::uint32_t* value) {
      const auto [stop, error] = std::from_chars(line.data() + from, line.data() + to, *value);
      return error == std::errc() && stop == line.data() + to;
    };
    if (number(first + 1, second, &range.first) && number(second + 1, line.size(), &range.count))
      ranges.push_back(range);
  }
  return ranges;
}

std::vector<IdRange> read_subordinate_ids() {
  std::vector<IdRange> ranges;
  for (const char* path : {"/etc/subuid", "/etc/subgid"}) {
    const auto text = fs::read(AT_FDCWD, path, 1 << 20);
    if (!text) continue;
    const std::vector<IdRange> more = parse_subordinate_ids(*text);
    ranges.insert(ranges.end(), more.begin(), more.end());
  }
  return ranges;
}

}  // namespace convox::runtime
