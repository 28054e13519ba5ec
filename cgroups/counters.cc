#include "cgroups/counters.h"

#include <fcntl.h>

#include <algorithm>

#include "runtime/base/fs.h"
#include "runtime/base/words.h"

namespace convox::cgroups {
namespace {

constexpr std::size_t kLimit = 1 << 20;     // bytes of a file: io.stat has one line a block device
constexpr std::uint32_t kHighest = 65'535;  // of a processor or memory node

// One group, file by file. The first error that is not a missing file is kept, and nothing is read after it.
class Reader {
 public:
  explicit Reader(const Cgroup& group) : group_(group) {}

  std::string text(const std::string& file) {
    if (!error_) return {};
    const UniqueFd opened(sys::openat(group_.fd(), file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened) return {};
    Result<std::string> text = fs::read_all(opened.get(), file, kLimit);
    if (text) return *std::move(text);
    // Pressure that was switched off: the file is there and says so.
    if (text.error().code != EOPNOTSUPP) error_ = std::move(text).error().under(group_.path());
    return {};
  }
  std::uint64_t value(const std::string& file) {
    const std::string read = text(file);
    std::string_view rest = read;
    const std::string_view word = cut(rest, '\n');
    return word == "max" ? kNoLimit : number(word).value_or(0);
  }
  Meter meter(std::string_view name) {
    Meter meter;
    meter.usage = value(cat(name, ".current"));
    meter.peak = value(cat(name, ".peak"));
    meter.limit = value(cat(name, ".max"));
    meter.failures = flat_value(text(cat(name, ".events")), "max").value_or(0);
    return meter;
  }
  std::vector<std::uint32_t> list(const std::string& file) {
    const std::string read = text(file);
    std::string_view rest = read;
    return parse_list(cut(rest, '\n'));
  }
  [[nodiscard]] const Result<>& error() const { return error_; }

 private:
  const Cgroup& group_;
  Result<> error_ = ok();
};

// hugetlb.2MB.current, hugetlb.2MB.rsvd.current, ...: the sizes that this machine has.
std::vector<std::string> page_sizes(int group) {
  constexpr std::string_view kFront = "hugetlb.", kBack = ".current";
  std::vector<std::string> sizes;
  const Result<std::vector<std::string>> files = fs::list(group);
  if (!files) return sizes;
  for (std::string_view file : *files) {
    if (!file.starts_with(kFront) || !file.ends_with(kBack)) continue;
    file.remove_prefix(kFront.size());
    file.remove_suffix(kBack.size());
    if (file.find('.') == std::string_view::npos) sizes.emplace_back(file);
  }
  return sizes;
}

}  // namespace

CpuCounters parse_cpu_stat(std::string_view cpu_stat) {
  const auto value = [&](std::string_view key) { return flat_value(cpu_stat, key).value_or(0); };
  constexpr std::uint64_t kNanoseconds = 1000;  // of a microsecond
  return {value("usage_usec") * kNanoseconds,
          value("user_usec") * kNanoseconds,
          value("system_usec") * kNanoseconds,
          value("nr_periods"),
          value("nr_throttled"),
          value("throttled_usec") * kNanoseconds};
}

NamedCounters parse_flat(std::string_view text) {
  NamedCounters found;
  while (!text.empty()) {
    std::string_view value = cut(text, '\n');
    const std::string_view key = cut(value, ' ');
    if (const auto count = number(value)) found.emplace_back(key, *count);
  }
  return found;
}

// `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`; a device that did nothing may have no keys.
BlockIoCounters parse_io_stat(std::string_view io_stat) {
  BlockIoCounters found;
  while (!io_stat.empty()) {
    std::string_view line = cut(io_stat, '\n'), minor = cut(line, ' ');
    const auto major = number(cut(minor, ':'));
    const auto unit = number(minor);
    if (!major || !unit) continue;
    while (!line.empty()) {
      std::string_view value = cut(line, ' ');
      const std::string_view key = cut(value, '=');
      if (!key.ends_with("bytes") && !key.ends_with("ios")) continue;  // what it cost: cost.usage, cost.wait ...
      const std::string_view operation = key.front() == 'r'   ? "Read"
                                         : key.front() == 'w' ? "Write"
                                         : key.front() == 'd' ? "Discard"
                                                              : "";
      if (operation.empty()) continue;
      (key.ends_with("ios") ? found.operations : found.bytes)
          .push_back({*major, *unit, operation, number(value).value_or(0)});
    }
  }
  return found;
}

std::vector<std::uint32_t> parse_list(std::string_view list) {
  std::vector<std::uint32_t> numbers;
  while (!list.empty()) {
    std::string_view last = cut(list, ',');
    const bool range = last.find('-') != std::string_view::npos;
    const auto first = number(cut(last, '-'));
    const auto end = range ? number(last) : first;
    if (!first || !end || *end > kHighest || *first > *end) return {};
    for (std::uint64_t one = *first; one <= *end; ++one) numbers.push_back(static_cast<std::uint32_t>(one));
  }
  return numbers;
}

Result<Counters> read_counters(const Cgroup& group) {
  Counters found;
  Reader reader(group);
  found.cpu = parse_cpu_stat(reader.text("cpu.stat"));
  found.memory = reader.meter("memory");
  found.swap = reader.meter("memory.swap");
  found.pids = reader.meter("pids");
  found.memory_stat = parse_flat(reader.text("memory.stat"));
  found.io = parse_io_stat(reader.text("io.stat"));
  for (const std::string& size : page_sizes(group.fd()))
    found.hugepages.emplace_back(size, reader.meter(cat("hugetlb.", size)));
  found.cpus = reader.list("cpuset.cpus.effective");
  found.mems = reader.list("cpuset.mems.effective");
  found.cpu_pressure = parse_pressure(reader.text("cpu.pressure"));
  found.memory_pressure = parse_pressure(reader.text("memory.pressure"));
  found.io_pressure = parse_pressure(reader.text("io.pressure"));
  TRY(reader.error());
  return found;
}

}  // namespace convox::cgroups
