// convox-oci features: what is implemented here, whatever this kernel has of it.
//
// runtime-spec 1.3, features.md. Engines ask as any user, without a state root, and read both output streams as one.
#include <linux/capability.h>
#include <linux/seccomp.h>

#include "cli/oci/known.h"
#include "runtime/base/json.h"
#include "runtime/oci/config_words.h"
#include "runtime/oci/mount_options.h"
#include "runtime/security/capabilities.h"
#include "runtime/security/profile.h"

namespace convox::oci {
namespace {

using json::Writer;

// Of crun and systemd, as they are read here: who lets strangers set them lets them change more than annotations say. A
// dot at the end: all that begin so.
constexpr std::string_view kUnsafeAnnotations[] = {"org.criu.config", "org.systemd.property.", "run.oci."};

template <class Names>
void list(Writer& writer, const char* key, const Names& names) {
  writer.Key(key);
  writer.StartArray();
  for (const auto& name : names) json::write(writer, name);
  writer.EndArray();
}

void flag(Writer& writer, const char* key, bool yes) {
  writer.Key(key);
  writer.Bool(yes);
}

void text(Writer& writer, const char* key, std::string_view value) {
  writer.Key(key);
  json::write(writer, value);
}

template <class Members>
void object(Writer& writer, const char* key, Members members) {
  writer.Key(key);
  writer.StartObject();
  members();
  writer.EndObject();
}

template <class Table>
std::vector<std::string_view> names_of(const Table& table) {
  std::vector<std::string_view> names;
  for (const auto& entry : table) names.push_back(entry.word);
  return names;
}

std::vector<std::string> capability_names() {
  std::vector<std::string> names;
  for (unsigned capability = 0; capability <= CAP_LAST_CAP; ++capability)
    names.push_back(cat("CAP_", security::names(security::bit(capability))));
  return names;
}

// A flag that the kernel knows comes as far as the program, which is not there.  seccomp(2), EFAULT
std::vector<std::string_view> flags_of_this_kernel(const std::vector<std::string_view>& known) {
  std::vector<std::string_view> supported;
  for (const std::string_view name : known) {
    auto bit = security::seccomp_flag(name);
    if (!bit) continue;
    // Only with this one is the other allowed.
    if (*bit == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) *bit |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
    if (sys::seccomp(SECCOMP_SET_MODE_FILTER, *bit, nullptr) == -EFAULT) supported.push_back(name);
  }
  return supported;
}

void write_seccomp(Writer& writer) {
  const security::SeccompNames names = security::seccomp_names();
  flag(writer, "enabled", true);
  list(writer, "actions", names.actions);
  list(writer, "operators", names.compares);
  list(writer, "archs", names.architectures);
  list(writer, "knownFlags", names.flags);
  list(writer, "supportedFlags", flags_of_this_kernel(names.flags));
}

void write_linux(Writer& writer) {
  writer.Key("namespaces");
  writer.StartArray();
  for (const NamespaceKind& kind : kNamespaceKinds) json::write(writer, kind.type);
  writer.EndArray();
  list(writer, "capabilities", capability_names());
  object(writer, "cgroup", [&writer] {
    flag(writer, "v1", false);
    flag(writer, "v2", true);
    flag(writer, "systemd", true);
    flag(writer, "systemdUser", true);
    flag(writer, "rdma", true);
  });
  object(writer, "seccomp", [&writer] { write_seccomp(writer); });
  object(writer, "apparmor", [&writer] { flag(writer, "enabled", true); });
  object(writer, "selinux", [&writer] { flag(writer, "enabled", true); });
  object(writer, "intelRdt", [&writer] {
    flag(writer, "enabled", true);
    flag(writer, "schemata", true);
    flag(writer, "monitoring", true);
  });
  object(writer, "memoryPolicy", [&writer] {
    list(writer, "modes", names_of(kMemoryModes));
    list(writer, "flags", names_of(kMemoryFlags));
  });
  object(writer, "mountExtensions",
         [&writer] { object(writer, "idmap", [&writer] { flag(writer, "enabled", true); }); });
  object(writer, "netDevices", [&writer] { flag(writer, "enabled", true); });
}

Result<int> features(const Globals&, const Words&) {
  json::Buffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  text(writer, "ociVersionMin", "1.0.0");
  text(writer, "ociVersionMax", "1.3.0");
  list(writer, "hooks", kHookNames);
  list(writer, "mountOptions", mount_option_names());
  object(writer, "linux", [&writer] { write_linux(writer); });
  object(writer, "annotations", [&writer] { text(writer, "org.convox.version", CONVOX_VERSION); });
  list(writer, "potentiallyUnsafeConfigAnnotations", kUnsafeAnnotations);
  writer.EndObject();
  TRY(print_line({buffer.GetString(), buffer.GetSize()}));
  return 0;
}

}  // namespace

const Verb kFeatures = {.name = "features",
                        .usage = "",
                        .help = "print what is implemented, as JSON",
                        .flags = {},
                        .least = 0,
                        .most = 0,
                        .needs_root = false,
                        .perform = features};

}  // namespace convox::oci
