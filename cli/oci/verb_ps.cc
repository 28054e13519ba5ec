// convox-oci ps: which processes are in a container?
#include <algorithm>

#include "cgroups/cgroup.h"
#include "cli/oci/known.h"
#include "cli/oci/programs.h"
#include "cli/output.h"
#include "runtime/base/process.h"
#include "runtime/base/words.h"

namespace convox::oci {
namespace {

constexpr Flag kFlags[] = {{"format", 'f', "table|json", "how to print them"}};

Result<std::vector<int>> pids_of(const Known& known) {
  if (known.status == Status::kStopped || known.status == Status::kCreating) return invalid("container not running");
  const cgroups::Hierarchy hierarchy = TRY(hierarchy_or_none());
  if (known.state.cgroup.empty() || hierarchy.mount_point.empty()) return std::vector<int>{known.state.pid};
  const auto group = TRY(cgroups::Cgroup::open(hierarchy, known.state.cgroup));
  std::vector<int> pids = TRY(group.processes());
  std::ranges::sort(pids);
  return pids;
}

std::string json_of(const std::vector<int>& pids) {
  std::string text = "[";
  for (const int pid : pids) text += cat(text.size() > 1 ? "," : "", pid);
  return text + "]\n";
}

std::vector<std::string_view> fields(std::string_view line) {
  std::vector<std::string_view> found;
  while (!line.empty())
    if (const std::string_view field = cut(line, ' '); !field.empty()) found.push_back(field);
  return found;
}

// What the host's ps says of them: the header, and the lines whose PID is one of theirs.
Result<std::string> filtered(std::string_view table, const std::vector<int>& pids) {
  const std::string_view header = cut(table, '\n');
  const auto titles = fields(header);
  const auto column = static_cast<std::size_t>(std::ranges::find(titles, "PID") - titles.begin());
  if (column == titles.size()) return invalid("ps prints no column PID");
  std::string text = cat(header, "\n");
  while (!table.empty()) {
    const std::string_view line = cut(table, '\n');
    const auto values = fields(line);
    const auto pid = column < values.size() ? number(values[column]) : std::nullopt;
    if (pid && std::ranges::find(pids, static_cast<int>(*pid)) != pids.end()) text += cat(line, "\n");
  }
  return text;
}

Result<std::string> table_of(const std::vector<int>& pids, const Words& words) {
  Program program;
  program.path = TRY(find_program("ps"));
  program.arguments = {"ps"};
  program.arguments.insert(program.arguments.end(), words.arguments.begin() + 1, words.arguments.end());
  if (program.arguments.size() == 1) program.arguments.emplace_back("-ef");
  const Finished finished = TRY(run_program(program));
  if (finished.status != 0) return invalid(cat("ps failed: ", finished.errors));
  return filtered(finished.output, pids);
}

Result<int> ps(const Globals& globals, const Words& words) {
  const std::string format = words.value("format").value_or("table");
  if (format != "table" && format != "json") return invalid(cat("unknown format \"", format, "\""));
  const Known known = TRY(find_container(globals, words.arguments[0]));
  const std::vector<int> pids = TRY(pids_of(known));
  const std::string text = format == "json" ? json_of(pids) : TRY(table_of(pids, words));
  TRY(cli::print(text));
  return 0;
}

}  // namespace

const Verb kPs = {.name = "ps",
                  .usage = "[flags] ID [PS-ARGUMENT...]",
                  .help = "list the processes of a container",
                  .flags = kFlags,
                  .least = 1,
                  .most = kAll,
                  .perform = ps};

}  // namespace convox::oci
