// runtime-spec 1.3, config-linux.md; but for control groups and seccomp, which have files of their own.
#include <sys/mount.h>
#include <sys/personality.h>

#include <algorithm>

#include "runtime/base/words.h"
#include "runtime/oci/config_read.h"
#include "runtime/oci/config_words.h"

namespace convox::oci {
namespace {

constexpr Word<std::uint64_t> kPropagations[] = {
    {"", 0},
    {"private", MS_PRIVATE},
    {"rprivate", MS_PRIVATE | MS_REC},
    {"rshared", MS_SHARED | MS_REC},
    {"rslave", MS_SLAVE | MS_REC},
    {"runbindable", MS_UNBINDABLE | MS_REC},
    {"shared", MS_SHARED},
    {"slave", MS_SLAVE},
    {"unbindable", MS_UNBINDABLE},
};
constexpr Word<char> kDeviceTypes[] = {{"b", 'b'}, {"c", 'c'}, {"p", 'p'}, {"u", 'c'}};
constexpr Word<std::uint32_t> kPersonalities[] = {{"LINUX", PER_LINUX}, {"LINUX32", PER_LINUX32}};

void read_time_offsets(const Item& item, Config& config) {
  item.take("monotonic", config.monotonic);
  item.take("boottime", config.boottime);
  item.members([](const Item& offset, std::string_view clock) {
    if (clock != "monotonic" && clock != "boottime") offset.fail("this clock has no offset");
  });
}

// sysctl(8) takes `/` for `.` and the reverse, for names with a dot in them: the first of the two says which is meant.
std::string with_dots(std::string key) {
  const std::size_t first = key.find_first_of("./");
  if (first == std::string::npos || key[first] == '.') return key;
  for (char& c : key) c = c == '.' ? '/' : c == '/' ? '.' : c;
  return key;
}

// A schema of several lines is several; what l3CacheSchema says of memory bandwidth is not its business and left out,
// as the specification wants.
void take_schema(const Item& item, std::string_view key, std::vector<std::string>& schemata) {
  std::string text;
  item.take(key, text);
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = cut(rest, '\n');
    if (!line.empty() && !(key == "l3CacheSchema" && line.starts_with("MB:"))) schemata.emplace_back(line);
  }
}

void read_personality(const Item& item, std::optional<std::uint32_t>& personality) {
  if (!item.has("domain")) return item.fail("`domain` is missing");
  item.choose("domain", kPersonalities, personality.emplace());
  item.elements("flags", [](const Item& flag) { flag.fail("there are no flags of a personality"); });
}

}  // namespace

static void read(const Item& item, Namespace& space) {
  item.take("path", space.path);
  std::string type;
  item.take("type", type);
  for (const NamespaceKind& kind : kNamespaceKinds) {
    if (kind.type != type) continue;
    space.kind = kind.kind;
    return;
  }
  item.fail(cat("there is no namespace of the type \"", type, "\""));
}

static void read(const Item& item, Device& device) {
  if (!item.has("type")) return item.fail("`type` is missing");
  item.choose("type", kDeviceTypes, device.type);
  item.take("path", device.path);
  for (const char* number : {"major", "minor"})
    if (device.type != 'p' && !item.has(number)) item.fail(cat("`", number, "` is missing"));
  item.take("major", device.major);
  item.take("minor", device.minor);
  item.take("fileMode", device.mode);
  device.mode &= 07777;  // engines copy st_mode, with the type in it
  item.take("uid", device.uid);
  item.take("gid", device.gid);
}

static void read(const Item& item, TimeOffset& offset) {
  item.take("secs", offset.seconds);
  item.take("nanosecs", offset.nanoseconds);
}

static void read(const Item& item, IntelRdt& rdt) {
  item.take("closID", rdt.clos_id);
  take_schema(item, "l3CacheSchema", rdt.schemata);
  take_schema(item, "memBwSchema", rdt.schemata);
  item.elements("schemata", [&](const Item& line) { read(line, rdt.schemata.emplace_back()); });
  item.take("enableMonitoring", rdt.monitoring);
}

static void read(const Item& item, MemoryPolicy& policy) {
  if (!item.has("mode")) return item.fail("`mode` is missing");
  item.choose("mode", kMemoryModes, policy.mode);
  item.take("nodes", policy.nodes);
  item.elements("flags", [&](const Item& element) {
    std::uint32_t flag = 0;
    element.choose(kMemoryFlags, flag);
    policy.mode |= flag;
  });
}

void read_linux(const Item& item, Config& config) {
  item.take("namespaces", config.namespaces);
  item.take("uidMappings", config.uid_mappings);
  item.take("gidMappings", config.gid_mappings);
  item.take("devices", config.devices);
  item.take("cgroupsPath", config.cgroups_path);
  item.take("resources", config.resources);
  item.choose("rootfsPropagation", kPropagations, config.root_propagation);
  if (const json::Value* value = item.find("seccomp")) oci::read(Item(*value, item, "seccomp"), config.seccomp);
  item.take("maskedPaths", config.masked_paths);
  item.take("readonlyPaths", config.read_only_paths);
  item.take("mountLabel", config.mount_label);
  item.take("sysctl", config.sysctl);
  for (auto& [key, value] : config.sysctl) key = with_dots(std::move(key));
  item.take("intelRdt", config.intel_rdt);
  if (const json::Value* value = item.find("personality"))
    read_personality(Item(*value, item, "personality"), config.personality);
  item.take("memoryPolicy", config.memory_policy);
  if (const json::Value* value = item.find("timeOffsets")) read_time_offsets(Item(*value, item, "timeOffsets"), config);
  item.members("netDevices", [&](const Item& device, std::string_view host_name) {
    NetDevice& made = config.net_devices.emplace_back();
    made.host_name = host_name;
    device.take("name", made.name);
    if (made.name.empty()) made.name = host_name;
  });
}

}  // namespace convox::oci
