#include <net/if.h>

#include <algorithm>

#include "runtime/base/words.h"
#include "runtime/oci/check.h"

namespace convox::oci {
namespace {

Result<> check_list(const std::vector<Namespace>& spaces) {
  for (auto space = spaces.begin(); space != spaces.end(); ++space) {
    const auto place = [&] { return cat("linux.namespaces[", space - spaces.begin(), "]"); };
    const auto same = [&](const Namespace& other) { return other.kind == space->kind; };
    if (std::any_of(spaces.begin(), space, same))
      return invalid(cat(place(), ": the type ", type_of(space->kind), " is given twice"));
    if (!space->path.empty() && space->path[0] != '/') return invalid(cat(place(), ".path: must be absolute"));
  }
  return ok();
}

// A user namespace that is joined has its mappings; engines repeat them beside its path.
Result<> check_user_namespace(const Config& config) {
  const bool uids = !config.uid_mappings.empty(), gids = !config.gid_mappings.empty();
  const std::string_view place = uids ? "linux.uidMappings" : "linux.gidMappings";
  if ((uids || gids) && !config.has_own(Kind::kUser)) return invalid(cat(place, ": needs a user namespace"));
  if (config.is_new(Kind::kUser) && !(uids && gids))
    return invalid("linux.namespaces: a new user namespace needs uidMappings and gidMappings");
  return ok();
}

Result<> check_time(const Config& config) {
  if (!config.monotonic && !config.boottime) return ok();
  if (!config.is_new(Kind::kTime)) return invalid("linux.timeOffsets: needs a new time namespace");
  for (const auto& offset : {config.monotonic, config.boottime})
    if (offset && offset->nanoseconds >= 1'000'000'000)
      return invalid("linux.timeOffsets: nanosecs must be less than a second");
  return ok();
}

constexpr std::string_view kOfIpc[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
                                       "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};

// Each part becomes one of a path below /proc/sys, where `/` stands for a dot: none may lead elsewhere.
bool has_clean_parts(std::string_view key) {
  do {
    const std::string_view part = cut(key, '.');
    if (part.empty() || part.front() == '/') return false;
  } while (!key.empty());
  return true;
}

// Only what belongs to a namespace of the container: every other file of /proc/sys is the host's.
Result<> check_sysctl(const std::string& key, const Config& config) {
  const auto wrong = [&](std::string_view what) { return invalid(cat("linux.sysctl.", key, ": ", what)); };
  const auto needs = [&](Kind kind, std::string_view name) -> Result<> {
    if (config.has_own(kind)) return ok();
    return wrong(cat("needs ", name, " namespace"));
  };
  if (!has_clean_parts(key) || key.ends_with('.')) return wrong("is not the name of a setting");
  if (key.starts_with("fs.mqueue.") || std::find(std::begin(kOfIpc), std::end(kOfIpc), key) != std::end(kOfIpc))
    return needs(Kind::kIpc, "an IPC");
  if (key.starts_with("net.")) return needs(Kind::kNetwork, "a network");
  if (key.starts_with("user.")) return needs(Kind::kUser, "a user");
  if (key == "kernel.domainname") return needs(Kind::kUts, "a UTS");
  if (key == "kernel.hostname") return wrong("is what `hostname` is for");
  return wrong("is the host's");
}

// What the kernel takes for a name: net/core/dev.c, dev_valid_name(). `%d` in the new one: the first that is free.
bool is_device_name(std::string_view name) {
  const auto bad = [](char c) { return c == '/' || c == ':' || c == ' ' || (c >= '\t' && c <= '\r'); };
  return !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
         std::none_of(name.begin(), name.end(), bad);
}

Result<> check_net_devices(const Config& config) {
  const auto& devices = config.net_devices;
  if (!devices.empty() && !config.has_own(Kind::kNetwork))
    return invalid("linux.netDevices: needs a network namespace");
  for (auto device = devices.begin(); device != devices.end(); ++device) {
    const auto wrong = [&](std::string_view what) {
      return invalid(cat("linux.netDevices.", device->host_name, what));
    };
    if (!is_device_name(device->host_name)) return wrong(": is not the name of a device");
    if (!is_device_name(device->name)) return wrong(".name: is not the name of a device");
    const auto same = [&](const NetDevice& other) { return other.name == device->name; };
    if (device->name.find('%') == std::string::npos && std::any_of(devices.begin(), device, same))
      return wrong(".name: another device has this one");
  }
  return ok();
}

}  // namespace

Result<> check_namespaces(const Config& config) {
  TRY(check_list(config.namespaces));
  TRY(check_user_namespace(config));
  if (!config.hostname.empty() && !config.has_own(Kind::kUts)) return invalid("hostname: needs a UTS namespace");
  if (!config.domainname.empty() && !config.has_own(Kind::kUts)) return invalid("domainname: needs a UTS namespace");
  TRY(check_time(config));
  for (const auto& [key, value] : config.sysctl) TRY(check_sysctl(key, config));
  return check_net_devices(config);
}

}  // namespace convox::oci
