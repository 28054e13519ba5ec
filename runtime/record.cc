#include "runtime/record.h"

#include "runtime/base/json.h"

namespace convox::runtime {
namespace {

constexpr int kVersion = 1;
constexpr Phase kPhases[] = {Phase::kCreating, Phase::kRunning, Phase::kStopped};

void member(json::Writer& writer, const char* key, std::string_view text) {
  writer.Key(key);
  json::write(writer, text);
}

void member(json::Writer& writer, const char* key, const std::vector<std::string>& texts) {
  writer.Key(key);
  writer.StartArray();
  for (const std::string& text : texts) json::write(writer, text);
  writer.EndArray();
}

Result<std::string> text(const json::Value& document, const char* key) {
  return TRY(json::string(document, key)).value_or(std::string());
}

}  // namespace

std::string_view name(Phase phase) {
  switch (phase) {
    case Phase::kCreating:
      return "creating";
    case Phase::kRunning:
      return "running";
    case Phase::kStopped:
      return "stopped";
  }
  return "";
}

std::string print(const Record& record) {
  json::Buffer buffer;
  json::Writer writer(buffer);
  writer.StartObject();
  writer.Key("version");
  writer.Int(kVersion);
  member(writer, "id", record.id);
  member(writer, "app", record.app);
  member(writer, "service", record.service);
  member(writer, "release", record.release);
  member(writer, "command", record.command);
  member(writer, "phase", name(record.phase));
  member(writer, "boot_id", record.boot_id);
  writer.Key("pid");
  writer.Int(record.pid);
  writer.Key("started");
  writer.Int64(record.started);
  writer.Key("status");
  writer.Int(record.status);
  member(writer, "cgroup", record.cgroup);
  member(writer, "layers", record.layers);
  writer.Key("keep");
  writer.Bool(record.keep);
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

Result<Record> parse_record(std::string_view source) {
  const json::Document document = TRY(json::parse(source, "state.json"));
  if (TRY(json::integer(document, "version")).value_or(0) != kVersion) return invalid("state.json: unknown version");
  Record record;
  record.id = TRY(text(document, "id"));
  record.app = TRY(text(document, "app"));
  record.service = TRY(text(document, "service"));
  record.release = TRY(text(document, "release"));
  record.command = TRY(json::strings(document, "command"));
  record.boot_id = TRY(text(document, "boot_id"));
  record.cgroup = TRY(text(document, "cgroup"));
  record.layers = TRY(json::strings(document, "layers"));
  record.pid = static_cast<int>(TRY(json::integer(document, "pid")).value_or(0));
  record.started = TRY(json::integer(document, "started")).value_or(0);
  record.status = static_cast<int>(TRY(json::integer(document, "status")).value_or(0));
  record.keep = TRY(json::boolean(document, "keep")).value_or(false);
  const std::string phase = TRY(text(document, "phase"));
  for (const Phase known : kPhases)
    if (phase == name(known)) {
      record.phase = known;
      return record;
    }
  return invalid(cat("state.json: unknown phase \"", phase, "\""));
}

}  // namespace convox::runtime
