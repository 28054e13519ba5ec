#include "cli/cmd_ps.h"

#include <unistd.h>

#include <algorithm>

#include "cli/app/app_name.h"
#include "cli/containers_view.h"
#include "cli/output.h"
#include "cli/process_view.h"
#include "cli/shell_words.h"
#include "cli/sizes.h"
#include "cli/text.h"
#include "cli/times.h"
#include "cli/watch.h"
#include "runtime/retention.h"
#include "runtime/terminal.h"

namespace convox::cli {
namespace {

// What the command line asks for.
struct View {
  std::optional<std::string> app;  // nothing: all apps
  bool finished = false;
  std::vector<std::string_view> headers;
  std::optional<Template> format;
  runtime::Wanted wanted;
};

bool shows(const View& view, std::string_view header) {
  if (view.format) return view.format->uses(header);
  return std::ranges::find(view.headers, header) != view.headers.end();
}

Result<View> view_of(const Invocation& invocation, bool all_apps) {
  View view;
  if (!all_apps) view.app = TRY(app_of(invocation));
  view.finished = invocation.flag("all");
  if (const auto format = invocation.value("format")) view.format = TRY(Template::parse(*format));
  view.headers = {"ID"};
  if (all_apps) view.headers.push_back("APP");
  view.headers.push_back("NAME");
  if (view.finished || invocation.flag("status")) view.headers.push_back("STATUS");
  view.headers.insert(view.headers.end(), {"RELEASE", "CPU", "MEM"});
  const bool pressure = invocation.flag("psi");
  if (pressure) view.headers.insert(view.headers.end(), {"CPU-PSI", "MEM-PSI", "IO-PSI"});
  view.headers.insert(view.headers.end(), {"STARTED", "COMMAND"});
  // Nothing is read that is not shown: the processor's share costs a wait, memory may cost a walk over page tables.
  const bool json = invocation.flag("json");
  if (invocation.flag("quiet")) return view;
  view.wanted.cpu = json || shows(view, "CPU");
  view.wanted.memory = json || shows(view, "MEM") || shows(view, "USED") || shows(view, "LIMIT");
  view.wanted.pids = json || shows(view, "PIDS");
  view.wanted.io = json || shows(view, "READ") || shows(view, "WRITTEN");
  view.wanted.pressure = pressure || shows(view, "CPU-PSI") || shows(view, "MEM-PSI") || shows(view, "IO-PSI");
  view.wanted.frozen = json || shows(view, "STATUS");
  return view;
}

// Release ids are found by their beginning and in either case, as everywhere.
bool begins_with(std::string_view id, std::string_view text) {
  const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; };
  return text.size() <= id.size() && std::ranges::equal(text, id.substr(0, text.size()), {}, upper, upper);
}

std::vector<Process> select(const Invocation& invocation, const View& view, std::vector<runtime::Listed> all) {
  const auto service = invocation.value("service"), release = invocation.value("release");
  std::vector<Process> chosen;
  for (runtime::Listed& one : all) {
    const runtime::Record& record = one.record;
    if (view.app && record.app != *view.app) continue;
    if (!one.live && !view.finished) continue;
    if (service && record.service != *service) continue;
    if (release && !begins_with(record.release, *release)) continue;
    chosen.push_back({std::move(one.record), one.live, {}, 0});
  }
  std::ranges::sort(chosen, {}, [](const Process& process) {
    return std::tie(process.record.app, process.record.service, process.record.id);
  });
  return chosen;
}

Result<> measure(const runtime::Host& host, const runtime::Wanted& wanted, std::vector<Process>& processes) {
  std::vector<std::string> groups;
  for (const Process& process : processes)
    if (process.live) groups.push_back(process.record.cgroup);
  std::vector<runtime::Usage> usages = TRY(runtime::usage_now(host, groups, wanted));
  const std::int64_t present = now();
  std::size_t at = 0;
  for (Process& process : processes) {
    if (process.live) process.usage = usages[at++];
    process.now = present;
  }
  return ok();
}

// Without controller files for it a column would be all zeros, which reads as "no pressure".
void warn_without_pressure(std::span<const Process> processes) {
  const auto counted = [](const Process& process) { return process.usage.cpu_pressure || !process.live; };
  if (!std::ranges::all_of(processes, counted)) warn("this kernel counts no pressure; boot it with psi=1");
}

std::size_t width_of_terminal(const Invocation& invocation) {
  if (invocation.flag("no-trunc") || !runtime::is_terminal(STDOUT_FILENO)) return std::string::npos;
  const auto size = runtime::terminal_size(STDOUT_FILENO);
  return size ? size->columns : std::string::npos;
}

std::string lines_of(std::span<const Process> processes, const std::function<std::string(const Process&)>& line) {
  std::string text;
  for (const Process& process : processes) text += line(process);
  return text;
}

Result<std::string> text_of(const Invocation& invocation, const View& view) {
  Containers containers = TRY(open_containers(invocation));
  std::vector<runtime::Listed> all = TRY(containers.all());
  runtime::sweep_finished(containers.records, containers.host.cgroups, all, now() / kSecond);
  std::vector<Process> processes = select(invocation, view, std::move(all));
  TRY(measure(containers.host, view.wanted, processes));
  if (view.wanted.pressure) warn_without_pressure(processes);
  if (invocation.flag("quiet"))
    return lines_of(processes, [](const Process& process) { return cat(process.record.id, "\n"); });
  if (invocation.flag("json")) return json_of(processes);
  if (view.format) return lines_of(processes, [&](const Process& process) { return view.format->line(process); });
  return table_of(view.headers, processes).text(width_of_terminal(invocation));
}

Result<int> list(const Invocation& invocation, bool all_apps) {
  const View view = TRY(view_of(invocation, all_apps));
  return watched(invocation, [&] { return text_of(invocation, view); });
}

Result<int> ps(const Invocation& invocation) { return list(invocation, false); }
Result<int> rack_ps(const Invocation& invocation) { return list(invocation, true); }

// "107.7MB", but "512MB"
std::string short_size(std::uint64_t bytes) {
  std::string text = size_text(static_cast<std::int64_t>(bytes));
  if (const std::size_t point = text.find(".0"); point != std::string::npos) text.erase(point, 2);
  return text;
}

Result<std::string> info_text(const Invocation& invocation) {
  const Containers containers = TRY(open_containers(invocation));
  runtime::Listed found = TRY(containers.find(invocation, invocation.arguments[0]));
  std::vector<Process> one = {{std::move(found.record), found.live, {}, 0}};
  TRY(measure(containers.host, {.cpu = true, .memory = true, .frozen = true}, one));
  const Process& process = one[0];
  const runtime::Record& record = process.record;
  const std::string instance = TRY(app::rack_name());
  Info info;
  info.add("Id", record.id);
  info.add("App", record.app);
  info.add("Command", escaped(command_line(record.command)));
  info.add("Instance", instance);
  info.add("Release", record.release);
  info.add("Service", record.service);
  info.add("Started", ago(record.started * kSecond, process.now));
  info.add("Status", std::string(status_of(process)));
  if (process.live) {
    info.add("CPU", percent(process.usage.cpu));
    info.add("Memory", cat(percent(process.usage.memory_percent()), " (", short_size(process.usage.memory), "/",
                           short_size(process.usage.memory_limit), ")"));
    info.add("Host PID", cat(record.pid));
  } else {
    info.add("Exit", exit_of(record));
    if (record.finished != 0) info.add("Finished", ago(record.finished * kSecond, process.now));
  }
  if (record.restarts != 0) info.add("Restarts", cat(record.restarts));
  return info.text();
}

Result<int> info(const Invocation& invocation) {
  return watched(invocation, [&] { return info_text(invocation); });
}

constexpr Option kStatus = {"status", 0, {}, "Show the status of each process."};
constexpr Option kJson = {"json", 0, {}, "Print a JSON list, with the numbers as they are."};
constexpr Option kFormat = {"format", 0, "template", "Print a line for each: '{{.ID}} {{.Name}} {{.Status}}'."};
constexpr Option kService = {"service", 's', "name", "Only processes of this service."};
constexpr Option kRelease = {"release", 0, "id", "Only processes of this release."};
constexpr Option kNoTruncation = {"no-trunc", 0, {}, "Do not cut commands at the terminal's width."};
constexpr Option kQuiet = {"quiet", 'q', {}, "Print ids only."};
constexpr Option kStatsOption = {.name = "stats"};  // what these columns once had to be asked for with
constexpr Option kPressure = {
    "psi", 0, {}, "Show how long work waited for cpu, memory and io, of the last ten seconds."};

constexpr Option kPsOptions[] = {kAppOption, {"all", 'A', {}, "Also show finished processes, and the status."},
                                 kStatus,    kJson,
                                 kFormat,    kService,
                                 kRelease,   kNoTruncation,
                                 kQuiet,     kStatsOption,
                                 kPressure,  kWatchOption};
constexpr Option kRackPsOptions[] = {{"all", 'a', {}, "Also show finished processes, and the status."},
                                     kStatus,
                                     kJson,
                                     kFormat,
                                     kService,
                                     kRelease,
                                     kNoTruncation,
                                     kQuiet,
                                     kStatsOption,
                                     kPressure,
                                     kWatchOption};
constexpr Option kInfoOptions[] = {kAppOption, kWatchOption};

}  // namespace

const Command kPs = {
    .name = "ps",
    .arguments = "",
    .summary = "list the processes of an app",
    .description =
        "CPU is what each used of a processor in the last moment: 100% is all of one. MEM is the part\n"
        "of its memory limit, or of the host's memory where it has none.",
    .options = kPsOptions,
    .run = ps};

const Command kPsInfo = {.name = "ps info",
                         .arguments = "<pid>",
                         .summary = "get information about a process",
                         .options = kInfoOptions,
                         .minimum = 1,
                         .maximum = 1,
                         .run = info};

const Command kRackPs = {.name = "rack ps",
                         .arguments = "",
                         .summary = "list the processes of all apps",
                         .options = kRackPsOptions,
                         .run = rack_ps};

}  // namespace convox::cli
