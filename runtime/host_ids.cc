#include "runtime/host_ids.h"

#include <errno.h>
#include <fcntl.h>

#include <algorithm>
#include <charconv>

#include "runtime/base/fs.h"

namespace convox::runtime {
namespace {

constexpr std::size_t kLargest = 1 << 20;

}  // namespace

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

Result<std::vector<IdRange>> read_subordinate_ids() {
  std::vector<IdRange> ranges;
  for (const char* path : {"/etc/subuid", "/etc/subgid"}) {
    const auto file = fs::open(path, O_RDONLY);  // a link on hosts whose /etc is generated
    if (!file && file.error().code == ENOENT) continue;
    if (!file) return file.error();
    const std::vector<IdRange> more = parse_subordinate_ids(TRY(fs::read_all(file->get(), path, kLargest)));
    ranges.insert(ranges.end(), more.begin(), more.end());
  }
  return ranges;
}

}  // namespace convox::runtime
