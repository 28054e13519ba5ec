#include "runtime/record.h"

#include <errno.h>

#include "runtime/base/fs.h"
#include "runtime/base/json.h"

namespace convox::runtime {
namespace {

constexpr int kVersion = 1;
constexpr std::size_t kLargestRecord = 1 << 20;
constexpr Phase kPhases[] = {Phase::kCreating, Phase::kRunning, Phase::kWaiting, Phase::kStopped};

void member(json::Writer& writer, const char* key, std::string_view text) {
  writer.Key(key);
  json::write(writer, text);
}

void member(json::Writer& writer, const char* key, std::int64_t number) {
  writer.Key(key);
  writer.Int64(number);
}

void member(json::Writer& writer, const char* key, bool yes) {
  writer.Key(key);
  writer.Bool(yes);
}

void member(json::Writer& writer, const char* key, const std::vector<std::string>& texts) {
  writer.Key(key);
  writer.StartArray();
  for (const std::string& text : texts) json::write(writer, text);
  writer.EndArray();
}

Result<int> number(const json::Value& document, const char* key, int otherwise = 0) {
  return static_cast<int>(TRY(json::integer(document, key)).value_or(otherwise));
}

Result<bool> yes(const json::Value& document, const char* key) {
  return TRY(json::boolean(document, key)).value_or(false);
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
    case Phase::kWaiting:
      return "waiting";
    case Phase::kStopped:
      return "stopped";
  }
  return "";
}

std::string print(const Record& record) {
  json::Buffer buffer;
  json::Writer writer(buffer);
  writer.StartObject();
  member(writer, "version", std::int64_t{kVersion});
  member(writer, "id", record.id);
  member(writer, "app", record.app);
  member(writer, "service", record.service);
  member(writer, "release", record.release);
  writer.Key("command");
  json::write_bytes(writer, record.command);
  member(writer, "phase", name(record.phase));
  member(writer, "boot_id", record.boot_id);
  member(writer, "pid", std::int64_t{record.pid});
  member(writer, "started", record.started);
  member(writer, "status", std::int64_t{record.status});
  member(writer, "cgroup", record.cgroup);
  member(writer, "layers", record.layers);
  member(writer, "keep", record.keep);
  member(writer, "detached", record.detached);
  member(writer, "remove", record.remove);
  member(writer, "restart", record.restart);
  member(writer, "restarts", std::int64_t{record.restarts});
  member(writer, "streak", std::int64_t{record.streak});
  member(writer, "timeout", record.timeout);
  member(writer, "log_size", record.log_size);
  member(writer, "holder", std::int64_t{record.holder});
  member(writer, "minder", std::int64_t{record.minder});
  member(writer, "stop_signal", std::int64_t{record.stop_signal});
  member(writer, "grace", std::int64_t{record.grace});
  member(writer, "finished", record.finished);
  member(writer, "signal", std::int64_t{record.signal});
  member(writer, "out_of_memory", record.out_of_memory);
  member(writer, "why", record.why);
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
  record.command = TRY(json::bytes_list(document, "command"));
  record.boot_id = TRY(text(document, "boot_id"));
  record.cgroup = TRY(text(document, "cgroup"));
  record.layers = TRY(json::strings(document, "layers"));
  record.pid = TRY(number(document, "pid"));
  record.started = TRY(json::integer(document, "started")).value_or(0);
  record.status = TRY(number(document, "status"));
  record.keep = TRY(yes(document, "keep"));
  record.detached = TRY(yes(document, "detached"));
  record.remove = TRY(yes(document, "remove"));
  record.restart = TRY(text(document, "restart"));
  record.restarts = TRY(number(document, "restarts"));
  record.streak = TRY(number(document, "streak"));
  record.timeout = TRY(json::integer(document, "timeout")).value_or(0);
  record.log_size = TRY(json::integer(document, "log_size")).value_or(0);
  record.holder = TRY(number(document, "holder"));
  record.minder = TRY(number(document, "minder"));
  record.stop_signal = TRY(number(document, "stop_signal", 15));
  record.grace = TRY(number(document, "grace", 30));
  record.finished = TRY(json::integer(document, "finished")).value_or(0);
  record.signal = TRY(number(document, "signal"));
  record.out_of_memory = TRY(yes(document, "out_of_memory"));
  record.why = TRY(text(document, "why"));
  const std::string phase = TRY(text(document, "phase"));
  for (const Phase known : kPhases)
    if (phase == name(known)) {
      record.phase = known;
      return record;
    }
  return invalid(cat("state.json: unknown phase \"", phase, "\""));
}

Result<std::optional<Record>> read_record(int directory) {
  auto text = fs::read_once(directory, kRecordName);  // `ps` reads a thousand of them
  if (!text && text.error().kind == Error::Kind::kInvalid) text = fs::read(directory, kRecordName, kLargestRecord);
  if (!text && text.error().code == ENOENT) return std::optional<Record>();
  if (!text) return std::move(text).error();
  return std::optional<Record>(TRY(parse_record(*text)));
}

}  // namespace convox::runtime
