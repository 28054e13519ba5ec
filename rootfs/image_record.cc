#include "rootfs/image_record.h"

#include <algorithm>
#include <utility>

#include "runtime/base/json.h"

namespace convox::rootfs {
namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::size_t kEntries = 4096;        // of one list
constexpr std::size_t kBytes = 128UL * 1024;  // of one list or string, all together (hardening rule I4)

bool has_component(std::string_view path, std::string_view name) {
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    if (path.substr(at, end - at) == name) return true;
    at = end + 1;
  }
  return false;
}

Result<> check_size(const std::vector<std::string>& list, std::string_view name) {
  std::size_t bytes = 0;
  for (const std::string& entry : list) {
    bytes += entry.size() + 1;
    if (entry.find('\0') != std::string::npos) return invalid(cat(name, ": a NUL in an entry"));
  }
  if (list.size() > kEntries) return invalid(cat(name, ": more than ", kEntries, " entries"));
  if (bytes > kBytes) return invalid(cat(name, ": larger than ", kBytes, " bytes"));
  return ok();
}

void write_list(json::Writer& writer, const char* key, const std::vector<std::string>& list) {
  writer.Key(key);
  writer.StartArray();
  for (const std::string& entry : list) json::write(writer, entry);
  writer.EndArray();
}

void write_member(json::Writer& writer, const char* key, std::string_view text) {
  writer.Key(key);
  json::write(writer, text);
}

Result<std::string> text(const json::Value& object, const char* key) {
  return TRY(json::string(object, key)).value_or("");
}

Result<ImageConfig> parse_config(const json::Value& object) {
  ImageConfig config;
  config.env = TRY(json::strings(object, "Env"));
  config.entrypoint = TRY(json::strings(object, "Entrypoint"));
  config.cmd = TRY(json::strings(object, "Cmd"));
  config.working_dir = TRY(text(object, "WorkingDir"));
  config.user = TRY(text(object, "User"));
  config.stop_signal = TRY(text(object, "StopSignal"));
  config.volumes = TRY(json::strings(object, "Volumes"));
  TRY(check_config(config));
  return config;
}

Result<Image> parse_members(const json::Value& record) {
  if (TRY(json::integer(record, "version")).value_or(0) != kVersion)
    return invalid("a record of another version of convox");
  Image image;
  image.id = TRY(text(record, "id"));
  if (!is_hex_digest(image.id)) return invalid("\"id\" must be 64 hexadecimal digits");
  image.layers = TRY(json::strings(record, "layers"));
  for (const std::string& layer : image.layers)
    if (!is_hex_digest(layer)) return invalid("\"layers\" must be lists of 64 hexadecimal digits");
  const std::int64_t size = TRY(json::integer(record, "size")).value_or(-1);
  if (size < 0) return invalid("\"size\" must be a number of bytes");
  image.size = static_cast<std::uint64_t>(size);
  image.created = TRY(text(record, "created"));
  image.architecture = TRY(text(record, "architecture"));
  if (const json::Value* config = TRY(json::object(record, "config")))
    image.config = TRY(parse_config(*config), "config");
  return image;
}

}  // namespace

bool is_hex_digest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<> check_config(const ImageConfig& config) {
  TRY(check_size(config.env, "Env"));
  TRY(check_size(config.entrypoint, "Entrypoint"));
  TRY(check_size(config.cmd, "Cmd"));
  TRY(check_size(config.volumes, "Volumes"));
  TRY(check_size({config.working_dir}, "WorkingDir"));
  TRY(check_size({config.user}, "User"));
  for (const std::string& entry : config.env)
    if (const std::size_t equals = entry.find('='); equals == 0 || equals == std::string::npos)
      return invalid(cat("Env: \"", entry, "\" is not KEY=VALUE"));
  for (const std::string& path : config.volumes)
    if (!path.starts_with('/') || path.find_first_not_of('/') == std::string::npos || has_component(path, ".."))
      return invalid(cat("Volumes: \"", path, "\" is not an absolute path below /"));
  if (!config.working_dir.empty() && !config.working_dir.starts_with('/'))
    return invalid(cat("WorkingDir: \"", config.working_dir, "\" is not an absolute path"));
  if (config.stop_signal.size() > 16 || std::any_of(config.stop_signal.begin(), config.stop_signal.end(), [](char c) {
        return !((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '-');
      }))
    return invalid("StopSignal: neither a signal's name nor its number");
  return ok();
}

std::string print(const Image& image) {
  json::Buffer buffer;
  json::Writer writer(buffer);
  writer.StartObject();
  writer.Key("version");
  writer.Int64(kVersion);
  write_member(writer, "id", image.id);
  write_list(writer, "layers", image.layers);
  writer.Key("size");
  writer.Uint64(image.size);
  write_member(writer, "created", image.created);
  write_member(writer, "architecture", image.architecture);
  writer.Key("config");
  writer.StartObject();
  write_list(writer, "Env", image.config.env);
  write_list(writer, "Entrypoint", image.config.entrypoint);
  write_list(writer, "Cmd", image.config.cmd);
  write_member(writer, "WorkingDir", image.config.working_dir);
  write_member(writer, "User", image.config.user);
  write_member(writer, "StopSignal", image.config.stop_signal);
  write_list(writer, "Volumes", image.config.volumes);
  writer.EndObject();
  writer.EndObject();
  return cat(std::string_view(buffer.GetString(), buffer.GetSize()), '\n');
}

Result<Image> parse_image(std::string_view record, std::string_view what) {
  const json::Document document = TRY(json::parse(record, what));
  return TRY(parse_members(document), what);
}

}  // namespace convox::rootfs
