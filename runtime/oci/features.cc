#include "runtime/oci/features.h"

#include <linux/seccomp.h>

#include <cerrno>

#include "runtime/base/sys.h"
#include "runtime/base/words.h"
#include "runtime/oci/config_words.h"
#include "runtime/oci/mount_options.h"

namespace convox::oci {
namespace {

// A trailing dot: every annotation that begins so.
constexpr std::string_view kUnsafeAnnotations[] = {"org.criu.config", "org.systemd.property.", "run.oci."};

// With no filter at the address 0 the kernel looks at the flags first: EINVAL for what it does not know, else EFAULT.
// WAIT_KILLABLE_RECV is nothing without a listener.  seccomp(2)
std::vector<std::string_view> flags_of_this_kernel(const std::vector<std::string_view>& known) {
  std::vector<std::string_view> supported;
  for (const std::string_view name : known) {
    auto flag = security::seccomp_flag(name);
    if (!flag) continue;
    if (*flag == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) *flag |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
    if (sys::seccomp(SECCOMP_SET_MODE_FILTER, *flag, nullptr) == -EFAULT) supported.push_back(name);
  }
  return supported;
}

class Writer {
 public:
  Writer() { writer_.SetIndent(' ', 2); }
  void begin(const char* key = nullptr) {
    if (key) writer_.Key(key);
    writer_.StartObject();
  }
  void end() { writer_.EndObject(); }
  void add(const char* key, bool value) {
    writer_.Key(key);
    writer_.Bool(value);
  }
  void add(const char* key, std::string_view value) {
    writer_.Key(key);
    add(value);
  }
  template <class List, class Name>
  void add(const char* key, const List& list, Name name) {
    writer_.Key(key);
    writer_.StartArray();
    for (const auto& element : list) add(name(element));
    writer_.EndArray();
  }
  template <class List>
  void names(const char* key, const List& list) {
    add(key, list, [](std::string_view name) { return name; });
  }
  template <class List>
  void words(const char* key, const List& list) {
    add(key, list, [](const auto& word) { return word.word; });
  }
  [[nodiscard]] std::string text() const { return cat(std::string_view(buffer_.GetString(), buffer_.GetSize()), '\n'); }

 private:
  void add(std::string_view text) { writer_.String(text.data(), static_cast<rapidjson::SizeType>(text.size())); }
  json::Buffer buffer_;
  json::PrettyWriter writer_{buffer_};
};

std::vector<std::string> capability_names() {
  std::vector<std::string> names;
  const std::string all = security::names(security::all_capabilities(CAP_LAST_CAP));
  std::string_view rest = all;
  while (!rest.empty()) names.push_back(cat("CAP_", cut(rest, ' ')));
  return names;
}

void write_seccomp(Writer& writer) {
  const security::SeccompNames names = security::seccomp_names();
  writer.begin("seccomp");
  writer.add("enabled", true);
  writer.names("actions", names.actions);
  writer.names("operators", names.compares);
  writer.names("archs", names.architectures);
  writer.names("knownFlags", names.flags);
  writer.names("supportedFlags", flags_of_this_kernel(names.flags));
  writer.end();
}

void write_linux(Writer& writer) {
  writer.begin("linux");
  writer.add("namespaces", kNamespaceKinds, [](const NamespaceKind& kind) { return kind.type; });
  writer.names("capabilities", capability_names());
  writer.begin("cgroup");
  writer.add("v1", false);
  for (const char* part : {"v2", "systemd", "systemdUser", "rdma"}) writer.add(part, true);
  writer.end();
  write_seccomp(writer);
  for (const char* module : {"apparmor", "selinux"}) {
    writer.begin(module);
    writer.add("enabled", true);
    writer.end();
  }
  writer.begin("intelRdt");
  for (const char* part : {"enabled", "schemata", "monitoring"}) writer.add(part, true);
  writer.end();
  writer.begin("memoryPolicy");
  writer.words("modes", kMemoryModes);
  writer.words("flags", kMemoryFlags);
  writer.end();
  writer.begin("mountExtensions");
  writer.begin("idmap");
  writer.add("enabled", true);
  writer.end();
  writer.end();
  writer.begin("netDevices");
  writer.add("enabled", true);
  writer.end();
  writer.end();
}

}  // namespace

std::string features_json() {
  Writer writer;
  writer.begin();
  writer.add("ociVersionMin", std::string_view(kOldestVersion));
  writer.add("ociVersionMax", std::string_view(kNewestVersion));
  writer.names("hooks", kHookNames);
  writer.names("mountOptions", mount_option_names());
  write_linux(writer);
  writer.begin("annotations");
  writer.add("org.convox.version", std::string_view(CONVOX_VERSION));
  writer.end();
  writer.names("potentiallyUnsafeConfigAnnotations", kUnsafeAnnotations);
  writer.end();
  return writer.text();
}

}  // namespace convox::oci
