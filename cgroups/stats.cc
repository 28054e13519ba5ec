#include "cgroups/stats.h"

#include <fcntl.h>

#include <algorithm>

#include "runtime/base/fs.h"
#include "runtime/base/words.h"

namespace convox::cgroups {
namespace {

constexpr std::size_t kIoStatLimit = 1 << 20;  // one line a block device

// "max" or a number, and a newline.
std::optional<std::uint64_t> limit(std::string_view text) { return number(cut(text, '\n')); }

// The file's text, or nothing where the group has no such file because its controller is missing.
Result<std::optional<std::string>> read_if_there(GroupFiles group, const std::string& file) {
  Result<std::string> text = fs::read_once(group.directory, group.name(file));
  if (text) return std::optional(*std::move(text));
  if (text.error().code == ENOENT) return std::optional<std::string>();
  return std::move(text).error().under(group.path);
}

// A process's proportional set size: each page counts by the part that this process has in it, so the sum over a
// container counts shared pages once. Kernel threads and processes that just ended have none.
std::uint64_t proportional_set_size(int pid) {
  const Result<std::string> rollup = fs::read_once(AT_FDCWD, cat("/proc/", pid, "/smaps_rollup"));
  if (!rollup) return 0;
  const std::size_t at = rollup->find("\nPss:");
  if (at == std::string::npos) return 0;
  std::string_view value = std::string_view(*rollup).substr(at + 5);
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  return number(cut(value, ' ')).value_or(0) * 1024;
}

}  // namespace

std::optional<std::uint64_t> flat_value(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::string_view value = cut(text, '\n');
    if (cut(value, ' ') == key) return number(value);
  }
  return {};
}

Result<std::uint64_t> cpu_usage(GroupFiles group) {
  const std::string text = TRY(fs::read_once(group.directory, group.name("cpu.stat")), group.path);
  if (const auto used = flat_value(text, "usage_usec")) return *used;
  return invalid(cat(group.path, ": cpu.stat without usage_usec"));
}

Result<Memory> memory_usage(GroupFiles group, const Hierarchy& hierarchy) {
  Memory memory;
  std::optional<std::string> current;
  if (hierarchy.controllers.has(Controller::kMemory)) current = TRY(read_if_there(group, "memory.current"));
  if (!current) {
    const std::vector<int> pids = TRY(processes(group));
    for (const int pid : pids) memory.used += proportional_set_size(pid);
    return memory;
  }
  const std::string stat = TRY(fs::read_once(group.directory, group.name("memory.stat")), group.path);
  const std::string max = TRY(fs::read_once(group.directory, group.name("memory.max")), group.path);
  // The files are read one after the other, so the part can be larger than the whole.
  const std::uint64_t all = limit(*current).value_or(0), cold = flat_value(stat, "inactive_file").value_or(0);
  memory.used = all - std::min(all, cold);
  memory.max = limit(max);
  return memory;
}

Result<bool> is_frozen(GroupFiles group) {
  const std::string text = TRY(fs::read_once(group.directory, group.name("cgroup.freeze")), group.path);
  return text.starts_with('1');
}

Result<std::optional<std::uint64_t>> pids_current(GroupFiles group) {
  const auto text = TRY(read_if_there(group, "pids.current"));
  return text ? limit(*text) : std::nullopt;
}

// One line a device: `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`.
Io parse_io(std::string_view io_stat) {
  Io total;
  while (!io_stat.empty()) {
    std::string_view line = cut(io_stat, '\n');
    while (!line.empty()) {
      std::string_view value = cut(line, ' ');
      const std::string_view key = cut(value, '=');
      if (key == "rbytes") total.read += number(value).value_or(0);
      if (key == "wbytes") total.written += number(value).value_or(0);
    }
  }
  return total;
}

Result<std::optional<Io>> io_usage(GroupFiles group) {
  const UniqueFd file(sys::openat(group.directory, group.name("io.stat").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::optional<Io>();
  const std::string text = TRY(fs::read_all(file.get(), "io.stat", kIoStatLimit), group.path);
  return std::optional(parse_io(text));
}

// `some avg10=1.50 avg60=0.20 avg300=0.00 total=12345`, then the same for `full`. Always two decimals.
std::optional<Pressure> parse_pressure(std::string_view text) {
  Pressure found;
  bool any = false;
  const auto hundredths = [](std::string_view value) {
    const std::uint64_t whole = number(cut(value, '.')).value_or(0);
    return static_cast<std::uint32_t>(whole * 100 + number(value).value_or(0));
  };
  while (!text.empty()) {
    std::string_view line = cut(text, '\n');
    Stall& stall = cut(line, ' ') == "some" ? found.some : found.full;
    while (!line.empty()) {
      std::string_view value = cut(line, ' ');
      const std::string_view key = cut(value, '=');
      if (key == "avg10") stall.avg10 = hundredths(value);
      if (key == "avg60") stall.avg60 = hundredths(value);
      if (key == "avg300") stall.avg300 = hundredths(value);
      if (key == "total") stall.total = number(value).value_or(0);
      any |= key == "total";
    }
  }
  if (!any) return {};
  return found;
}

Result<std::optional<Pressure>> pressure(GroupFiles group, Resource resource) {
  const std::string file = resource == Resource::kCpu      ? "cpu.pressure"
                           : resource == Resource::kMemory ? "memory.pressure"
                                                           : "io.pressure";
  Result<std::optional<std::string>> text = read_if_there(group, file);
  // Compiled in but switched off: Linux 6.1 has the file and refuses to read it.
  if (!text && text.error().code == EOPNOTSUPP) return std::optional<Pressure>();
  if (!text) return std::move(text).error();
  return *text ? parse_pressure(**text) : std::nullopt;
}

// memory.events: `oom` counts how often an allocation failed at a limit of this group or below, `oom_kill` the dead of
// any OOM killer, also those that the host's own picked here. So a death without an `oom` was the host's.
OomKills parse_oom(std::string_view memory_events, std::string_view memory_max) {
  return {flat_value(memory_events, "oom_kill").value_or(0), flat_value(memory_events, "oom").value_or(0) > 0,
          limit(memory_max)};
}

Result<OomKills> oom_killed(GroupFiles group) {
  const auto events = TRY(read_if_there(group, "memory.events"));
  if (!events) return OomKills{};
  const auto max = TRY(read_if_there(group, "memory.max"));
  return parse_oom(*events, max.value_or(""));
}

std::string describe(const OomKills& kills, std::string_view who) {
  if (!kills.at_own_limit) return cat(who, " was killed: the host is out of memory");
  if (!kills.limit) return cat(who, " was killed: out of memory");
  constexpr std::uint64_t kMegabyte = 1 << 20;
  const bool even = *kills.limit % kMegabyte == 0;
  return cat(who, " was killed: out of memory (limit ", even ? *kills.limit / kMegabyte : *kills.limit / 1024,
             even ? " MB)" : " KB)");
}

}  // namespace convox::cgroups
