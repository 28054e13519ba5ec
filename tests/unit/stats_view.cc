// A frame fills the terminal, whatever its size, and no more; keys change what it shows.
#include "cli/stats_view.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "cli/text.h"
#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::cli;

namespace {

std::vector<Process> processes(std::size_t count) {
  std::vector<Process> all(count);
  for (std::size_t at = 0; at < count; ++at) {
    runtime::Record& record = all[at].record;
    record.id = cat("00000000000", at % 10);
    record.app = "shop";
    record.service = at % 2 ? "web" : "worker";
    record.phase = runtime::Phase::kRunning;
    all[at].usage.cpu = static_cast<double>(at);
    all[at].usage.memory = 1000 - at;
    all[at].usage.pids = at * 3 % 7;
  }
  return all;
}

// What the terminal shows: the lines without escape sequences.
std::vector<std::string> screen(std::string_view text) {
  std::vector<std::string> lines(1);
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\033') {
      while (text[at] == '[' || text[at] == '\033' || text[at] == '?' || (text[at] >= '0' && text[at] <= '9')) ++at;
    } else if (text[at] == '\n') {
      lines.emplace_back();
    } else if (text[at] != '\r') {
      lines.back() += text[at];
    }
  }
  return lines;
}

std::string ids(const std::vector<Process>& all) {
  std::string text;
  for (const Process& one : all) text += one.record.id.back();
  return text;
}

}  // namespace

Test(stats_view, fills_the_terminal_and_no_more) {
  const std::vector<Process> all = processes(30);
  const std::pair<std::uint16_t, std::uint16_t> sizes[] = {{24, 80}, {50, 200}, {10, 120}, {6, 40},
                                                           {3, 80},  {2, 10},   {1, 5},    {4, 1}};
  for (const auto& [rows, columns] : sizes) {
    StatsView view;
    view.size = {rows, columns};
    const auto lines = screen(frame(view, all));
    cr_expect(lines.size() == rows, "%zu lines in %u rows", lines.size(), rows);
    for (const std::string& line : lines)
      cr_expect(display_width(line) <= columns, "%u columns: %s", columns, line.c_str());
  }
}

Test(stats_view, at_80_columns_shows_every_number) {
  StatsView view;
  view.app = "shop";
  std::vector<Process> all = processes(1);
  all[0].usage.cpu = 1599.99;
  all[0].usage.memory = 1048051712;
  all[0].usage.pids = 32768;
  all[0].usage.io = cgroups::Io{};
  all[0].usage.io_rate = 1048051712;
  all[0].usage.cpu_pressure = all[0].usage.memory_pressure = all[0].usage.io_pressure = cgroups::Pressure{10'000};
  const auto lines = screen(frame(view, all));
  expect_text(lines[1], "ID            NAME                 CPU       MEM   PIDS          IO    PSI C/M/I");
  expect_text(lines[2], "000000000000  worker          1599.99%   999.5MB  32768   999.5MB/s  100/100/100");
}

Test(stats_view, escapes_names) {
  StatsView view;
  std::vector<Process> all = processes(1);
  all[0].record.service = "\033[2Jx";
  cr_assert(frame(view, all).find("shop/\\x1b[2Jx") != std::string::npos);
}

Test(stats_view, orders_most_first_and_names_by_name) {
  std::vector<Process> all = processes(6);
  const std::pair<const char*, const char*> cases[] = {
      {"c", "543210"}, {"m", "012345"}, {"p", "241350"}, {"i", "135024"}, {"n", "135024"}};
  for (const auto& [key, order] : cases) {
    StatsView view;
    std::string typed = key;
    cr_assert(not take_keys(typed, view));
    sort(all, view.order);
    expect_text(ids(all), order);
  }
}

Test(stats_view, moves_by_rows_and_pages_within_what_there_is) {
  const std::vector<Process> all = processes(50);  // 21 rows at a time
  const std::pair<const char*, std::size_t> cases[] = {
      {"\033[B", 1},  {"\033OB\033[B", 2}, {"\033[A", 0},        {"j\033[6~", 22},     {"\033[6~\033[6~\033[6~", 29},
      {"\033[F", 29}, {"G\033[A", 28},     {"\033[6~\033[H", 0}, {"\033[F\033[5~", 8}, {"x\033[1;5C", 0}};
  for (const auto& [keys, first] : cases) {
    StatsView view;
    std::string typed;
    for (const char* at = keys; *at; ++at) {  // as they come, one by one
      typed += *at;
      cr_assert(not take_keys(typed, view));
      if (typed.empty()) frame(view, all);
    }
    cr_expect(view.first == first, "%zu, not %zu", view.first, first);
    cr_expect(typed.empty());
  }
}

Test(stats_view, quits_by_q_and_control_c) {
  for (const char* keys : {"q", "\003", "cq"}) {
    StatsView view;
    std::string typed = keys;
    cr_expect(take_keys(typed, view));
  }
  StatsView view;
  std::string endless = "\033[" + std::string(1000, '1');
  cr_expect(not take_keys(endless, view) && endless.empty());
}
