#include "cli/stats_view.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/sizes.h"
#include "cli/text.h"

namespace convox::cli {
namespace {

using Order = StatsView::Order;

constexpr std::size_t kTitle = 1, kHeader = 1, kFooter = 1;
constexpr std::size_t kWidest = 40;                                        // of a name
constexpr std::size_t kRoomy = 96;                                         // from so many columns on there is one more
constexpr std::size_t kEnd = std::numeric_limits<std::size_t>::max() / 2;  // below every row there is

struct Field {
  std::string_view header;
  std::size_t width;
  std::string (*cell)(const Process&);
};

std::string size(double bytes) { return size_text(static_cast<std::int64_t>(bytes)); }

std::string cpu_cell(const Process& process) {
  const std::string_view status = status_of(process);
  return status == "running" ? percent(process.usage.cpu) : std::string(status);
}

std::string whole(const std::optional<cgroups::Pressure>& pressure) {
  return pressure ? cat((pressure->some.avg10 + 50) / 100) : "-";
}

std::string pressures(const Process& process) {
  const runtime::Usage& usage = process.usage;
  return cat(whole(usage.cpu_pressure), "/", whole(usage.memory_pressure), "/", whole(usage.io_pressure));
}

constexpr Field kCpu = {"CPU", 8, cpu_cell};
constexpr Field kMemory = {"MEM", 8, [](const Process& p) { return size(static_cast<double>(p.usage.memory)); }};
constexpr Field kShare = {"MEM%", 7, [](const Process& p) { return percent(p.usage.memory_percent()); }};
constexpr Field kPids = {"PIDS", 5, [](const Process& p) { return p.usage.pids ? cat(*p.usage.pids) : "-"; }};
constexpr Field kIo = {"IO", 10, [](const Process& p) { return p.usage.io ? cat(size(p.usage.io_rate), "/s") : "-"; }};
constexpr Field kPressure = {"PSI C/M/I", 11, pressures};

std::vector<Field> fields_for(std::size_t columns) {
  if (columns >= kRoomy) return {kCpu, kMemory, kShare, kPids, kIo, kPressure};
  return {kCpu, kMemory, kPids, kIo, kPressure};
}

std::string left(std::string_view text, std::size_t width) {
  const std::string cut = fitted(text, width);
  return cat(cut, std::string(width - display_width(cut), ' '));
}
std::string right(std::string_view text, std::size_t width) {
  const std::string cut = fitted(text, width);
  return cat(std::string(width - display_width(cut), ' '), cut);
}

constexpr std::size_t kId = 12, kGap = 2, kShortestName = 8;

std::size_t name_width(std::span<const Field> fields, std::size_t columns) {
  std::size_t others = kId + kGap;
  for (const Field& field : fields) others += kGap + field.width;
  return std::clamp(columns > others ? columns - others : 0, kShortestName, kWidest);
}

template <class Cell>
std::string row(std::string_view id, std::string_view name, std::size_t width, std::span<const Field> fields,
                Cell cell) {
  std::string text = cat(left(id, kId), "  ", left(name, width));
  for (const Field& field : fields) text += cat("  ", right(cell(field), field.width));
  return text;
}

std::string_view word(Order order) {
  switch (order) {
    case Order::kCpu:
      return "cpu";
    case Order::kMemory:
      return "memory";
    case Order::kPids:
      return "pids";
    case Order::kIo:
      return "io";
    case Order::kName:
      return "name";
  }
  return "";
}

std::string title(const StatsView& view, std::size_t count, std::size_t shown) {
  const std::string which = view.app.empty() ? "all apps" : view.app;
  std::string text = cat("convox stats  ", which, "  ", count, count == 1 ? " process" : " processes");
  if (shown < count) text += cat(", ", view.first + 1, " to ", view.first + shown);
  return cat(text, "  by ", word(view.order));
}

double amount(const Process& process, Order order) {
  switch (order) {
    case Order::kCpu:
      return process.usage.cpu;
    case Order::kMemory:
      return static_cast<double>(process.usage.memory);
    case Order::kPids:
      return static_cast<double>(process.usage.pids.value_or(0));
    case Order::kIo:
      return process.usage.io_rate;
    case Order::kName:
      break;
  }
  return 0;
}

std::size_t rows_of(const StatsView& view) {
  const std::size_t all = view.size.rows, others = kTitle + kHeader + kFooter;
  return all > others ? all - others : 0;
}

// A sequence that a key sends, whole.
void press(std::string_view key, StatsView& view) {
  const std::size_t page = std::max<std::size_t>(rows_of(view), 1);
  const auto up = [&](std::size_t by) { view.first -= std::min(by, view.first); };
  if (key == "c") view.order = Order::kCpu;
  if (key == "m") view.order = Order::kMemory;
  if (key == "p") view.order = Order::kPids;
  if (key == "i") view.order = Order::kIo;
  if (key == "n") view.order = Order::kName;
  if (key == "k" || key == "\033[A" || key == "\033OA") up(1);
  if (key == "j" || key == "\033[B" || key == "\033OB") view.first += 1;
  if (key == "\033[5~") up(page);
  if (key == "\033[6~" || key == " ") view.first += page;
  if (key == "g" || key == "\033[H" || key == "\033OH" || key == "\033[1~") view.first = 0;
  if (key == "G" || key == "\033[F" || key == "\033OF" || key == "\033[4~") view.first = kEnd;
}

// How long the key at the front of `input` is: one byte, or ESC O x, or ESC [ digits x. 0: it has not all arrived.
std::size_t key_length(std::string_view input) {
  if (input[0] != '\033') return 1;
  if (input.size() == 1) return 0;
  if (input[1] == 'O') return input.size() < 3 ? 0 : 3;
  if (input[1] != '[') return 1;
  for (std::size_t at = 2; at < input.size(); ++at)
    if (input[at] >= 0x40 && input[at] <= 0x7e) return at + 1;  // its final byte: ECMA-48, 5.4
  return 0;
}

}  // namespace

void sort(std::vector<Process>& processes, Order order) {
  const auto name = [](const Process& p) { return std::tie(p.record.app, p.record.service, p.record.id); };
  std::ranges::sort(processes, [&](const Process& a, const Process& b) {
    const double left_amount = amount(a, order), right_amount = amount(b, order);
    return left_amount != right_amount ? left_amount > right_amount : name(a) < name(b);
  });
}

std::string frame(StatsView& view, std::span<const Process> processes) {
  const std::size_t rows = rows_of(view), columns = view.size.columns;
  view.first = std::min(view.first, processes.size() - std::min(processes.size(), rows));
  const auto shown = processes.subspan(view.first, std::min(rows, processes.size() - view.first));
  const std::vector<Field> fields = fields_for(columns);
  const std::size_t width = name_width(fields, columns);
  std::vector<std::string> lines;
  lines.push_back(fitted(title(view, processes.size(), shown.size()), columns));
  lines.push_back(cat(
      "\033[7m", left(row("ID", "NAME", width, fields, [](const Field& f) { return f.header; }), columns), "\033[0m"));
  for (const Process& process : shown) {
    const runtime::Record& record = process.record;
    const std::string name = escaped(view.app.empty() ? cat(record.app, "/", record.service) : record.service);
    lines.push_back(
        fitted(row(escaped(record.id), name, width, fields, [&](const Field& f) { return f.cell(process); }), columns));
  }
  lines.resize(view.size.rows > kFooter ? view.size.rows - kFooter : 0);  // the footer in the last row, or cut
  lines.push_back(fitted("c m p i n: order by cpu, memory, pids, io, name  arrows, pages: move  q: quit", columns));
  std::string text = "\033[H";
  for (const std::string& line : lines) text += cat(&line == &lines[0] ? "" : "\r\n", line, "\033[K");
  return text += "\033[J";
}

bool take_keys(std::string& input, StatsView& view) {
  std::string_view rest = input;
  bool quit = false;
  while (!rest.empty() && !quit) {
    const std::size_t length = key_length(rest);
    if (length == 0) break;
    const std::string_view key = rest.substr(0, length);
    quit = key == "q" || key == "\003";
    press(key, view);
    rest.remove_prefix(length);
  }
  input.erase(0, input.size() - rest.size());
  if (input.size() > 32) input.clear();  // no key is that long
  return quit;
}

}  // namespace convox::cli
