#include "cli/process_view.h"

#include <algorithm>
#include <cmath>

#include "cli/shell_words.h"
#include "cli/sizes.h"
#include "cli/text.h"
#include "cli/times.h"
#include "runtime/base/json.h"

namespace convox::cli {
namespace {

using runtime::Phase;

std::string size(std::uint64_t bytes) { return size_text(static_cast<std::int64_t>(bytes)); }

std::string pressure(const std::optional<cgroups::Pressure>& of) {
  return percent(of ? static_cast<double>(of->some.avg10) / 100 : 0);
}

constexpr Column kColumns[] = {
    {"ID", "ID", [](const Process& p) { return p.record.id; }},
    {"APP", "App", [](const Process& p) { return p.record.app; }},
    {"NAME", "Name", [](const Process& p) { return p.record.service; }},
    {"STATUS", "Status", [](const Process& p) { return std::string(status_of(p)); }},
    {"RELEASE", "Release", [](const Process& p) { return p.record.release; }},
    {"CPU", "Cpu", [](const Process& p) { return percent(p.usage.cpu); }},
    {"MEM", "Mem", [](const Process& p) { return percent(p.usage.memory_percent()); }},
    {"USED", "Used", [](const Process& p) { return size(p.usage.memory); }},
    {"LIMIT", "Limit", [](const Process& p) { return size(p.usage.memory_limit); }},
    {"PIDS", "Pids", [](const Process& p) { return p.usage.pids ? cat(*p.usage.pids) : "-"; }},
    {"READ", "Read", [](const Process& p) { return p.usage.io ? size(p.usage.io->read) : "-"; }},
    {"WRITTEN", "Written", [](const Process& p) { return p.usage.io ? size(p.usage.io->written) : "-"; }},
    {"CPU-PSI", "CpuPsi", [](const Process& p) { return pressure(p.usage.cpu_pressure); }},
    {"MEM-PSI", "MemPsi", [](const Process& p) { return pressure(p.usage.memory_pressure); }},
    {"IO-PSI", "IoPsi", [](const Process& p) { return pressure(p.usage.io_pressure); }},
    {"STARTED", "Started", [](const Process& p) { return ago(p.record.started * kSecond, p.now); }},
    {"COMMAND", "Command", [](const Process& p) { return command_line(p.record.command); }},
};

std::string unescape(std::string_view text) {
  std::string made;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("\\t") || rest.starts_with("\\n")) {
      made += rest[1] == 't' ? '\t' : '\n';
      ++at;
    } else {
      made += rest[0];
    }
  }
  return made;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

Result<const Column*> field_named(std::string_view inside) {
  const std::string_view name = trimmed(inside);
  for (const Column& one : kColumns)
    if (name.starts_with('.') && name.substr(1) == one.field) return &one;
  std::string known;
  for (const Column& one : kColumns) known += cat(known.empty() ? "" : ", ", one.field);
  return invalid(cat("--format: {{", inside, "}} is not a field")).advise(cat("there are ", known));
}

class Json {
 public:
  void begin() { writer_.StartArray(); }
  std::string end() {
    writer_.EndArray();
    return cat(std::string_view(buffer_.GetString(), buffer_.GetSize()), "\n");
  }
  void add(const Process& process);

 private:
  void put(const char* key, std::string_view text) {
    writer_.Key(key);
    json::write(writer_, text);
  }
  void put(const char* key, std::integral auto number) {
    writer_.Key(key);
    writer_.Int64(static_cast<std::int64_t>(number));
  }
  void put(const char* key, double number) {  // two decimals, as everywhere
    writer_.Key(key);
    writer_.Double(std::round(number * 100) / 100);
  }
  void put(const char* key, const std::optional<std::uint64_t>& number) {
    if (number) put(key, *number);
  }

  json::Buffer buffer_;
  json::Writer writer_{buffer_};
};

void Json::add(const Process& process) {
  const runtime::Record& record = process.record;
  const runtime::Usage& usage = process.usage;
  writer_.StartObject();
  put("id", record.id);
  put("app", record.app);
  put("name", record.service);
  put("release", record.release);
  put("status", status_of(process));
  writer_.Key("command");
  writer_.StartArray();
  for (const std::string& word : record.command) json::write(writer_, word);
  writer_.EndArray();
  put("started", record.started);
  put("restarts", record.restarts);
  if (process.live) {
    put("pid", record.pid);
    put("cpu_percent", usage.cpu);
    put("cpu_usec", usage.cpu_time);
    put("memory_percent", usage.memory_percent());
    put("memory_bytes", usage.memory);
    put("memory_limit_bytes", usage.memory_limit);
    put("pids", usage.pids);
    if (usage.io) put("io_read_bytes", usage.io->read), put("io_written_bytes", usage.io->written);
    const std::pair<const char*, const std::optional<cgroups::Pressure>*> pressures[] = {
        {"cpu_pressure_avg10", &usage.cpu_pressure},
        {"memory_pressure_avg10", &usage.memory_pressure},
        {"io_pressure_avg10", &usage.io_pressure}};
    for (const auto& [key, one] : pressures)
      if (*one) put(key, static_cast<double>((*one)->some.avg10) / 100);
  } else {
    put("finished", record.finished);
    if (record.status != runtime::kUnknownStatus) put("exit_status", record.status);
    if (record.signal != 0) put("signal", record.signal);
    if (record.out_of_memory) put("reason", "out of memory");
    if (!record.why.empty()) put("reason", record.why);
  }
  writer_.EndObject();
}

}  // namespace

std::string_view status_of(const Process& process) {
  const runtime::Record& record = process.record;
  switch (record.phase) {
    case Phase::kCreating:
      return "starting";
    case Phase::kRunning:
      return process.usage.frozen ? "paused" : "running";
    case Phase::kWaiting:
      return "crashed";
    case Phase::kStopped:
      break;
  }
  if (record.status == runtime::kUnknownStatus) return "unknown";
  return record.status == 0 ? "complete" : "failed";
}

std::string exit_of(const runtime::Record& record) {
  std::string text = record.signal != 0                         ? cat("signal ", record.signal)
                     : record.status == runtime::kUnknownStatus ? std::string("unknown")
                                                                : cat(record.status);
  if (record.out_of_memory) text += " (out of memory)";
  if (!record.why.empty()) text += cat(" (", record.why, ")");
  return text;
}

std::string percent(double value) {
  const std::int64_t hundredths = std::llround(std::max(value, 0.0) * 100);
  return cat(hundredths / 100, ".", hundredths / 10 % 10, hundredths % 10, "%");
}

std::span<const Column> columns() { return kColumns; }

const Column& column(std::string_view header) {
  for (const Column& one : kColumns)
    if (one.header == header) return one;
  __builtin_unreachable();
}

Table table_of(std::span<const std::string_view> headers, std::span<const Process> processes) {
  Table table(headers);
  for (const Process& process : processes) {
    std::vector<std::string> cells;
    for (const std::string_view header : headers) cells.push_back(column(header).cell(process));
    table.add(std::move(cells));
  }
  return table;
}

Result<Template> Template::parse(std::string_view text) {
  Template made;
  while (!text.empty()) {
    const std::size_t open = std::min(text.find("{{"), text.size());
    Part part{unescape(text.substr(0, open)), nullptr};
    text.remove_prefix(open);
    if (!text.empty()) {
      const std::size_t close = text.find("}}");
      if (close == std::string_view::npos) return invalid(cat("--format: ", text, " has no }}"));
      part.field = TRY(field_named(text.substr(2, close - 2)));
      text.remove_prefix(close + 2);
    }
    made.parts_.push_back(std::move(part));
  }
  return made;
}

std::string Template::line(const Process& process) const {
  std::string line;
  for (const auto& [text, field] : parts_) line += cat(text, field ? escaped(field->cell(process)) : std::string());
  return line += '\n';
}

bool Template::uses(std::string_view header) const {
  return std::ranges::any_of(parts_, [&](const Part& part) { return part.field && part.field->header == header; });
}

std::string json_of(std::span<const Process> processes) {
  Json json;
  json.begin();
  for (const Process& process : processes) json.add(process);
  return json.end();
}

}  // namespace convox::cli
