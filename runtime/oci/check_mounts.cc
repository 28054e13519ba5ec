#include <algorithm>

#include "runtime/oci/check.h"

namespace convox::oci {
namespace {

Result<> check_mount(const Mount& mount, const Config& config) {
  if (mount.destination.empty()) return invalid("destination: must not be empty");
  if (mount.bind && mount.source.empty()) return invalid("source: a bind mount needs one");
  if (mount.bind && !mount.data.empty())
    return invalid(cat("options: \"", mount.data.front(), "\" is for a file system, and a bind mount makes none"));
  if (!mount.bind && mount.type.empty()) return invalid("type: only a bind mount needs none");
  if (mount.uid_mappings.empty() != mount.gid_mappings.empty())
    return invalid("uidMappings and gidMappings: must be given together");
  if (mount.idmap != Mount::IdMap::kNone && mount.uid_mappings.empty() && !config.has_own(Kind::kUser))
    return invalid("options: without mappings idmap needs a user namespace of the container");
  if (mount.copy_up && mount.type != "tmpfs") return invalid("options: tmpcopyup is for a tmpfs");
  return ok();
}

bool same_node(const Device& a, const Device& b) {
  return a.type == b.type && (a.type == 'p' || (a.major == b.major && a.minor == b.minor));
}

Result<> check_devices(const std::vector<Device>& devices) {
  for (auto device = devices.begin(); device != devices.end(); ++device) {
    const auto place = [&] { return cat("linux.devices[", device - devices.begin(), "].path: "); };
    if (!is_clean_path(device->path)) return invalid(cat(place(), "must be absolute, without `..`"));
    const auto differs = [&](const Device& other) { return other.path == device->path && !same_node(other, *device); };
    if (std::any_of(devices.begin(), device, differs)) return invalid(cat(place(), "another device has this one"));
  }
  return ok();
}

Result<> check_paths(const std::vector<std::string>& paths, std::string_view name, const Config& config) {
  if (!paths.empty() && !config.has_own(Kind::kMount)) return invalid(cat(name, ": needs a mount namespace"));
  for (const std::string& path : paths)
    if (!path.starts_with('/')) return invalid(cat(name, ": \"", path, "\" must be absolute"));
  return ok();
}

}  // namespace

Result<> check_mounts(const Config& config) {
  for (std::size_t i = 0; i < config.mounts.size(); ++i)
    if (auto checked = check_mount(config.mounts[i], config); !checked)
      return invalid(cat("mounts[", i, "].", checked.error().text));
  TRY(check_devices(config.devices));
  TRY(check_paths(config.masked_paths, "linux.maskedPaths", config));
  return check_paths(config.read_only_paths, "linux.readonlyPaths", config);
}

}  // namespace convox::oci
