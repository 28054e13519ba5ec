// What runs, as whom, on what, and how it ends: the keys of a service that concern every process of it.
#include <algorithm>

#include "cli/app/manifest_fields.h"
#include "cli/app/manifest_read.h"
#include "cli/sizes.h"

namespace convox::app {
namespace {

// The only host paths that Convox lets a service see (/var/run for docker.sock). Every other absolute source names a
// directory of the app.
bool is_host_path(std::string_view path) {
  for (const std::string_view below :
       {"/cgroup/", "/proc/", "/sys/fs/cgroup/", "/sys/kernel/debug/", "/var/log/audit/", "/var/run/"})
    if (cat(path, "/").starts_with(below)) return true;
  return false;
}

// Neither `..` nor anything else that is more than it looks like.
bool is_plain_path(std::string_view path) {
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (part == "." || part == "..") return false;
    at = end + 1;
  }
  return path.find_first_not_of('/') != path.npos;
}

// "/path", the service's own, or "name:/path".
std::optional<Volume> volume_of(const std::string& text) {
  const std::size_t colon = text.find(':');
  Volume volume;
  volume.source = text.substr(0, colon);
  volume.path = colon == std::string::npos ? text : text.substr(colon + 1);
  if (!volume.path.starts_with('/') || volume.path.find(':') != std::string::npos) return std::nullopt;
  if (!is_plain_path(volume.path) || !is_plain_path(volume.source)) return std::nullopt;
  if (is_host_path(volume.source)) {
    volume.kind = Volume::Kind::kHost;
    return volume;
  }
  if (colon != std::string::npos) volume.kind = Volume::Kind::kApp;
  volume.source.erase(0, volume.source.find_first_not_of('/'));
  while (volume.source.ends_with('/')) volume.source.pop_back();
  return volume;
}

Result<> read_volumes(Fields& fields, std::vector<Volume>& into) {
  const YamlNode* list = fields.find("volumes");
  if (!list) return ok();
  if (!list->is_list()) return fields.wrong("volumes", *list, "a list");
  for (const YamlNode& item : list->items) {
    std::optional<Volume> volume = volume_of(item.text);
    if (!volume) return fields.wrong("volumes", item, "/path or name:/path");
    into.push_back(*std::move(volume));
  }
  return ok();
}

Result<> read_empty_dir(Fields& fields, EmptyDir& into) {
  std::string size;
  TRY(fields.text("id", into.id));
  TRY(fields.text("mountPath", into.path));
  TRY(fields.text("medium", into.medium));
  TRY(fields.text("sizeLimit", size));
  if (!size.empty()) into.size_limit = TRY(cli::parse_size(size, 1), fields.below("sizeLimit"));
  return ok();
}

Result<> read_volume_option(Fields& fields, std::optional<EmptyDir>& into) {
  fields.cloud_only({"awsEfs", "azureFiles"});
  return fields.find("emptyDir") ? fields.map("emptyDir", into.emplace(), read_empty_dir) : ok();
}

Result<> read_volume_options(Fields& fields, std::vector<EmptyDir>& into) {
  std::vector<std::optional<EmptyDir>> options;
  TRY(fields.maps("volumeOptions", options, read_volume_option));
  for (std::optional<EmptyDir>& option : options)
    if (option) into.push_back(*std::move(option));
  return ok();
}

Result<> read_capabilities(Fields& fields, SecurityContext& into) {
  TRY(fields.list("add", into.add));
  return fields.list("drop", into.drop);
}

Result<> read_security(Fields& fields, SecurityContext& into) {
  TRY(fields.flag("runAsNonRoot", into.run_as_non_root));
  if (fields.find("runAsUser")) TRY(fields.number("runAsUser", into.run_as_user.emplace()));
  if (fields.find("runAsGroup")) TRY(fields.number("runAsGroup", into.run_as_group.emplace()));
  TRY(fields.flag("readOnlyRootFilesystem", into.read_only_root));
  TRY(fields.flag("allowPrivilegeEscalation", into.allow_privilege_escalation));
  TRY(fields.text("seccompProfile", into.seccomp_profile));
  return fields.map("capabilities", into, read_capabilities);
}

// A list of "key=value", or mappings.
Result<> read_annotations(Fields& fields, Pairs& into) {
  const YamlNode* list = fields.find("annotations");
  if (!list) return ok();
  if (list->is_map()) return fields.pairs("annotations", into);
  std::vector<std::string> texts;
  TRY(fields.list("annotations", texts));
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) return invalid(cat("line ", list->line, ": invalid annotation format: ", text));
    into.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return ok();
}

Result<> read_build_map(Fields& fields, Build& into) {
  into.path = ".";
  TRY(fields.text("path", into.path));
  TRY(fields.text("manifest", into.manifest));
  return fields.list("args", into.args);
}

Result<> read_build(Fields& fields, const std::string& image, Build& into) {
  const YamlNode* node = fields.find("build");
  TRY(node && node->is_text() ? fields.text("build", into.path) : fields.map("build", into, read_build_map));
  if (into.path.empty() && image.empty()) into.path = ".";
  return ok();
}

Result<> read_termination(Fields& fields, Service& into) { return fields.number("grace", into.grace); }

Result<> read_lifecycle(Fields& fields, Service& into) {
  TRY(fields.text("preStop", into.pre_stop));
  return fields.text("postStart", into.post_start);
}

Result<> read_config_mount(Fields& fields, ConfigMount& into) {
  TRY(fields.text("id", into.id));
  TRY(fields.text("dir", into.dir));
  return fields.text("filename", into.filename);
}

Result<> read_init_container(Fields& fields, InitContainer& into) {
  TRY(fields.text("command", into.command));
  TRY(fields.text("image", into.image));
  TRY(read_volume_options(fields, into.empty_dirs));
  return fields.maps("configMounts", into.config_mounts, read_config_mount);
}

// What runs, as whom, on what, and how it ends.
Result<> read_process(Fields& fields, Service& into) {
  TRY(fields.text("image", into.image));
  TRY(read_build(fields, into.image, into.build));
  TRY(fields.text("command", into.command));
  if (const YamlNode* list = fields.find("environment")) TRY(read_environment(*list, into.environment));
  TRY(read_volumes(fields, into.volumes));
  TRY(read_volume_options(fields, into.empty_dirs));
  TRY(fields.maps("configMounts", into.config_mounts, read_config_mount));
  TRY(fields.map("securityContext", into.security, read_security));
  TRY(fields.flag("privileged", into.privileged));
  into.init_given = fields.find("init") != nullptr;
  TRY(fields.flag("init", into.init));
  if (fields.find("initContainer"))
    TRY(fields.map("initContainer", into.init_container.emplace(), read_init_container));
  TRY(fields.number("drain", into.grace));  // the name of old
  TRY(fields.map("termination", into, read_termination));
  TRY(fields.map("lifecycle", into, read_lifecycle));
  TRY(fields.list("resources", into.resources));
  return fields.text("test", into.test);
}

}  // namespace

Result<> read_environment(const YamlNode& node, std::vector<std::string>& into) {
  if (!node.is_list()) return invalid(cat("unknown type for service environment: ", node.type_name()));
  for (const YamlNode& item : node.items) {
    if (item.is_list()) {
      TRY(read_environment(item, into));
      continue;
    }
    if (!item.is_text()) return invalid(cat("unknown type for service environment: ", item.type_name()));
    if (item.text.empty() || item.text[0] == '=')
      return invalid(cat("line ", item.line, ": invalid environment declaration: ", item.text));
    into.push_back(item.text);
  }
  return ok();
}

Result<> read_service(Fields& fields, Service& into) {
  TRY(read_process(fields, into));
  TRY(read_network(fields, into));
  TRY(fields.pairs("labels", into.labels));
  TRY(read_annotations(fields, into.annotations));
  fields.cloud_only({"accessControl", "certificate", "dnsConfig", "ingressAnnotations", "nodeSelectorLabels",
                     "nodeAffinityLabels", "imagePullSecrets", "disableHostUsers", "grpcHealthEnabled"});
  return ok();
}

}  // namespace convox::app
