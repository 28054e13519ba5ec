#include "runtime/oci/systemd.h"

#include <fcntl.h>
#include <stdlib.h>

#include <algorithm>

#include "cgroups/device_filter.h"
#include "runtime/base/fs.h"
#include "runtime/base/process.h"
#include "runtime/base/words.h"
#include "runtime/oci/unit_properties.h"

namespace convox::oci {
namespace {

constexpr const char* kHelper = "convox-systemd";
constexpr int kSeconds = 40;  // its own deadline is 30
constexpr std::size_t kProcDevicesLimit = 1 << 16;

Program helper_program(const char* verb, bool user, const std::string& unit) {
  Program program{.path = helper_path(kHelper),
                  .arguments = {kHelper, verb, user ? "user" : "system", unit},
                  .environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
                  .seconds = kSeconds};
  for (const char* name : {"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"})
    if (const char* value = ::getenv(name); user && value) program.environment.push_back(cat(name, "=", value));
  return program;
}

// Its last line is the whole error, deed and object included.
Error said_by(const Finished& finished) {
  std::string_view rest = finished.errors, last;
  while (!rest.empty()) last = cut(rest, '\n');
  if (!last.empty()) return invalid(last);
  return invalid(cat(kHelper, " ended with status ", finished.status));
}

Result<> send(const Running& helper, const std::vector<std::string>& lines, std::string_view end) {
  std::string text;
  for (const std::string& line : lines) {
    if (line.find('\n') != std::string::npos) return invalid(cat("a property with a newline: ", line));
    text += cat(line, "\n");
  }
  return fs::write_all(helper.input.get(), cat(text, end), kHelper);
}

// Its `ok`, or the error that it ended with.
Result<> await_ok(Running& helper, const Program& program) {
  const std::optional<std::string> said = TRY(read_line(helper, kSeconds));
  if (said == "ok") return ok();
  const Finished finished = TRY(finish_program(std::move(helper), program));
  return said_by(finished);
}

std::vector<std::string> lines_of(const std::vector<cgroups::DeviceRule>& devices) {
  const Result<std::string> names = fs::read(AT_FDCWD, "/proc/devices", kProcDevicesLimit);
  return device_properties(devices, names ? *names : std::string());
}

void append(std::vector<std::string>& to, std::vector<std::string> more) {
  std::move(more.begin(), more.end(), std::back_inserter(to));
}

// GVariant's text for a string of ours.
std::string quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' || c == '\\' ? cat('\\', c) : std::string(1, c);
  return quoted + "'";
}

std::vector<std::string> properties_of(const ScopeWish& wish, const ScopeName& name) {
  std::vector<std::string> lines = {
      cat("Description=", quoted(cat("convox container ", wish.id))),
      cat("Slice=", quoted(name.slice)),
      "Delegate=true",
      "DefaultDependencies=false",
      "CollectMode='inactive-or-failed'",  // else one that failed, after an OOM kill, would keep its name taken
      "MemoryAccounting=true",
      "CPUAccounting=true",
      "IOAccounting=true",
      "TasksAccounting=true",
  };
  // The helper is in there too, and would be the first to hit these.
  std::vector<cgroups::FileValue> settings = wish.settings;
  std::erase_if(settings, [](const auto& one) { return one.file == "memory.max" || one.file == "memory.high"; });
  append(lines, limit_properties(settings));
  append(lines, lines_of(wish.devices));
  append(lines, annotated_properties(wish.annotations));
  return lines;
}

}  // namespace

Result<Scope> start_scope(const ScopeWish& wish, const cgroups::Hierarchy& hierarchy) {
  const ScopeName name = TRY(parse_scope(wish.path));
  const std::string doing = cat("asking systemd for ", name.unit);
  Scope scope;
  scope.unit_ = name.unit;
  scope.program_ = helper_program("start", wish.user, name.unit);
  scope.helper_ = TRY(start_program(scope.program_, true), doing);
  TRY(send(scope.helper_, properties_of(wish, name), "\n"), doing);
  TRY(await_ok(scope.helper_, scope.program_), doing);
  // systemd has moved it there: the kernel knows where that is, whatever the slice is below.
  scope.group_ = TRY(cgroups::group_of_process(hierarchy, cat(scope.helper_.pid)), doing);
  return scope;
}

Result<> Scope::finish(const std::vector<cgroups::FileValue>& rest) {
  const std::string doing = cat("telling systemd of ", unit_);
  if (const std::vector<std::string> lines = limit_properties(rest); !lines.empty()) {
    TRY(send(helper_, lines, "\n"), doing);
    TRY(await_ok(helper_, program_), doing);
  }
  const Finished finished = TRY(finish_program(std::move(helper_), program_), doing);
  if (finished.status != 0) return said_by(finished).under(doing);
  return ok();
}

Result<> stop_scope(const std::string& unit, bool user) {
  const Finished finished = TRY(run_program(helper_program("stop", user, unit)));
  if (finished.status != 0) return said_by(finished);
  return ok();
}

Result<> update_scope(const std::string& unit, bool user, const std::vector<cgroups::FileValue>& settings,
                      const std::vector<cgroups::DeviceRule>& devices) {
  std::vector<std::string> lines = limit_properties(settings);
  if (!devices.empty()) append(lines, lines_of(devices));
  if (lines.empty()) return ok();
  const Program program = helper_program("update", user, unit);
  Running helper = TRY(start_program(program, true));
  TRY(send(helper, lines, ""));
  const Finished finished = TRY(finish_program(std::move(helper), program));
  if (finished.status != 0) return said_by(finished);
  return ok();
}

}  // namespace convox::oci
