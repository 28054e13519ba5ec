#include "runtime/oci/config.h"

#include <algorithm>

#include "runtime/base/words.h"
#include "runtime/oci/config_read.h"
#include "runtime/oci/config_words.h"

namespace convox::oci {
namespace {

const NamespaceKind& row(Kind kind) {
  return *std::find_if(std::begin(kNamespaceKinds), std::end(kNamespaceKinds),
                       [&](const NamespaceKind& row) { return row.kind == kind; });
}

void read_root(const Item& item, Config& config) {
  item.take("path", config.root);
  item.take("readonly", config.root_read_only);
}

// Podman gives a namespace that is to be joined one mapping, 0 to 0, because older runtimes wanted one: it says
// nothing.
void drop_placeholder(const Config& config, std::vector<IdMapping>& mappings) {
  const Namespace* user = config.find(Kind::kUser);
  if (user && !user->path.empty() && mappings == std::vector{IdMapping{.size = 1}}) mappings.clear();
}

// Until 1.3 a `pids` without a limit was written as 0.
void settle_pids(Config& config) {
  std::string_view rest = config.version;
  cut(rest, '.');
  const auto minor = number(cut(rest, '.'));
  if (minor && *minor < 3 && config.resources.pids_limit == 0) config.resources.pids_limit.reset();
}

template <class Whole>
Result<Whole> read_whole(std::string_view text, std::string_view what, std::string_view name) {
  const json::Document document = TRY(json::parse(text, what));
  Whole whole;
  std::optional<Error> error;
  const Item item(document, name, error);
  read(item, whole);
  TRY(item.result());
  return whole;
}

}  // namespace

void read(const Item& item, Config& config) {
  item.take("ociVersion", config.version);
  item.take("process", config.process);
  if (const json::Value* value = item.find("root")) read_root(Item(*value, item, "root"), config);
  item.take("hostname", config.hostname);
  item.take("domainname", config.domainname);
  item.take("mounts", config.mounts);
  item.take("hooks", config.hooks);
  item.take("annotations", config.annotations);
  if (const json::Value* value = item.find("linux")) read_linux(Item(*value, item, "linux"), config);
  drop_placeholder(config, config.uid_mappings);
  drop_placeholder(config, config.gid_mappings);
  settle_pids(config);
}

Result<Config> read_config(std::string_view text) { return read_whole<Config>(text, "config.json", ""); }
Result<Process> read_process(std::string_view text) { return read_whole<Process>(text, "process", "process"); }
Result<cgroups::Resources> read_resources(std::string_view text) {
  return read_whole<cgroups::Resources>(text, "resources", "resources");
}

const Namespace* Config::find(Kind kind) const {
  const auto found =
      std::find_if(namespaces.begin(), namespaces.end(), [&](const Namespace& each) { return each.kind == kind; });
  return found == namespaces.end() ? nullptr : &*found;
}

bool Config::is_new(Kind kind) const {
  const Namespace* found = find(kind);
  return found && found->path.empty();
}

const std::string* Config::annotation(std::string_view key) const {
  for (const auto& [name, value] : annotations)
    if (name == key) return &value;
  return nullptr;
}

std::string_view type_of(Kind kind) { return row(kind).type; }
std::string_view file_of(Kind kind) { return row(kind).file; }
std::uint64_t flag_of(Kind kind) { return row(kind).flag; }

}  // namespace convox::oci
