// Reads the image configuration document (OCI image-spec, config.md; Docker's differs in nothing that we use).
#include "rootfs/image/digest.h"
#include "rootfs/image/plan.h"
#include "runtime/base/json.h"

namespace convox::rootfs {
namespace {

constexpr std::size_t kLayers = 512, kEntries = 4096;

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
  if (const json::Value* volumes =
          TRY(json::object(object, "Volumes")))  // a set, written as an object of empty objects
    for (const auto& volume : volumes->GetObject()) config.volumes.emplace_back(volume.name.GetString());
  if (const json::Value* labels = TRY(json::object(object, "Labels")); labels && labels->MemberCount() > kEntries)
    return invalid(cat("Labels: more than ", kEntries, " entries"));
  TRY(check_config(config));
  return config;
}

Result<Configuration> parse_members(const json::Value& document) {
  Configuration configuration;
  if (const std::string os = TRY(text(document, "os")); os != "linux")
    return invalid(cat("the image is for \"", os, "\""));
  configuration.architecture = TRY(text(document, "architecture"));
  configuration.created = TRY(text(document, "created"));
  if (configuration.architecture.size() > 64 || configuration.created.size() > 64)
    return invalid("\"architecture\" or \"created\" is too long");
  if (const json::Value* config = TRY(json::object(document, "config")))
    configuration.config = TRY(parse_config(*config));
  if (const json::Value* history = TRY(json::array(document, "history")); history && history->Size() > kEntries)
    return invalid(cat("history: more than ", kEntries, " entries"));
  const json::Value* rootfs = TRY(json::object(document, "rootfs"));
  if (!rootfs || TRY(text(*rootfs, "type")) != "layers") return invalid("\"rootfs\" is not of the type \"layers\"");
  const std::vector<std::string> diff_ids = TRY(json::strings(*rootfs, "diff_ids"));
  if (diff_ids.empty()) return invalid("the image has no layers");
  if (diff_ids.size() > kLayers) return invalid(cat("more than ", kLayers, " layers"));
  for (const std::string& id : diff_ids) configuration.diff_ids.push_back(TRY(parse_digest(id), "diff_ids"));
  return configuration;
}

}  // namespace

const char* native_architecture() {
#if defined(__x86_64__)
  return "amd64";
#elif defined(__aarch64__)
  return "arm64";
#else
#error "name this architecture as Go does"
#endif
}

Result<Configuration> parse_configuration(std::string_view document, std::string_view what) {
  const json::Document parsed = TRY(json::parse(document, what));
  return TRY(parse_members(parsed), what);
}

}  // namespace convox::rootfs
