#include "runtime/config_record.h"

#include <concepts>

#include "runtime/base/json.h"

namespace convox::runtime {
namespace {

// One list of members, walked by a writer and by a reader, so that the two cannot differ.
template <class Walk, class Config>
void each_member(Walk&& walk, Config& config) requires std::same_as<std::remove_const_t<Config>, ContainerConfig> {
  walk("id", config.id);
  walk("app", config.app);
  walk("service", config.service);
  walk("release", config.release);
  walk("argv", config.argv);
  walk("split_argv", config.split_argv);
  walk("env", config.env);
  walk("directory", config.directory);
  walk("user", config.user);
  walk("never_root", config.never_root);
  walk("terminal", config.terminal);
  walk("init", config.init);
  walk("namespaces", config.namespaces);
  walk("network", config.network);
  walk("capabilities", config.capabilities);
  walk("no_new_privileges", config.no_new_privileges);
  walk("seccomp", config.seccomp);
  walk("masks", config.masks);
  walk("read_only_root", config.read_only_root);
  walk("layers", config.layers);
  walk("volumes", config.volumes);
  walk("own_volumes", config.own_volumes);
  walk("tmpfs", config.tmpfs);
  walk("limits", config.limits);
  walk("keep", config.keep);
}

template <class Walk, class Part>
void each_member(Walk&& walk, Part& part) requires std::same_as<std::remove_const_t<Part>, Namespaces> {
  walk("user", part.user);
  walk("network", part.network);
  walk("ipc", part.ipc);
  walk("uts", part.uts);
  walk("cgroup", part.cgroup);
  walk("time", part.time);
}

template <class Walk, class Part>
void each_member(Walk&& walk, Part& part) requires std::same_as<std::remove_const_t<Part>, ContainerNetwork> {
  walk("name", part.name);
  walk("published", part.published);
}

template <class Walk, class Part>
void each_member(Walk&& walk, Part& part) requires std::same_as<std::remove_const_t<Part>, networks::Published> {
  walk("protocol", part.protocol);
  walk("address", part.address);
  walk("host", part.host);
  walk("container", part.container);
  walk("allow", part.allow);
}

template <class Walk, class Part>
void each_member(Walk&& walk, Part& part) requires std::same_as<std::remove_const_t<Part>, Volume> {
  walk("source", part.source);
  walk("target", part.target);
  walk("read_only", part.read_only);
  walk("is_file", part.is_file);
  walk("make_source", part.make_source);
}

template <class Walk, class Part>
void each_member(Walk&& walk, Part& part) requires std::same_as<std::remove_const_t<Part>, Tmpfs> {
  walk("target", part.target);
  walk("size", part.size);
}

template <class Walk, class Part>
void each_member(Walk&& walk, Part& part) requires std::same_as<std::remove_const_t<Part>, cgroups::CpuMax> {
  walk("quota", part.quota);
  walk("period", part.period);
}

template <class Walk, class Part>
void each_member(Walk&& walk, Part& part) requires std::same_as<std::remove_const_t<Part>, cgroups::Limits> {
  walk("cpu_weight", part.cpu_weight);
  walk("cpu_max", part.cpu_max);
  walk("memory_low", part.memory_low);
  walk("memory_max", part.memory_max);
  walk("memory_swap_max", part.memory_swap_max);
  walk("pids_max", part.pids_max);
  walk("io_weight", part.io_weight);
  walk("cpuset_cpus", part.cpuset_cpus);
  walk("cpuset_mems", part.cpuset_mems);
  walk("delegated", part.delegated);
}

class Writer {
 public:
  template <class Part>
  void value(const Part& part) {
    json_.StartObject();
    each_member(
        [this](const char* key, const auto& member) {
          json_.Key(key);
          value(member);
        },
        part);
    json_.EndObject();
  }
  void value(const std::string& text) { json::write_bytes(json_, text); }
  void value(bool yes) { json_.Bool(yes); }
  void value(std::uint64_t number) { json_.Uint64(number); }
  void value(std::uint16_t number) { json_.Uint64(number); }
  template <class Item>
  void value(const std::vector<Item>& items) {
    json_.StartArray();
    for (const Item& item : items) value(item);
    json_.EndArray();
  }
  template <class Item>
  void value(const std::optional<Item>& item) {
    if (item)
      value(*item);
    else
      json_.Null();
  }
  [[nodiscard]] std::string text() const { return {buffer_.GetString(), buffer_.GetSize()}; }

 private:
  json::Buffer buffer_;
  json::Writer json_{buffer_};
};

// Remembers the first member that was missing or of another type.
class Reader {
 public:
  template <class Part>
  void value(const json::Value& from, Part& into) {
    each_member(
        [&](const char* key, auto& member) {
          if (!from.IsObject() || !from.HasMember(key)) return fail(key);
          const std::string outer = std::exchange(at_, key);
          value(from[key], member);
          at_ = outer;
        },
        into);
  }
  void value(const json::Value& from, std::string& into) {
    auto bytes = json::bytes(from);
    if (!bytes) return fail(at_);
    into = std::move(*bytes);
  }
  void value(const json::Value& from, bool& into) {
    if (!from.IsBool()) return fail(at_);
    into = from.GetBool();
  }
  void value(const json::Value& from, std::uint64_t& into) {
    if (!from.IsUint64()) return fail(at_);
    into = from.GetUint64();
  }
  void value(const json::Value& from, std::uint16_t& into) {
    if (!from.IsUint64() || from.GetUint64() > 0xffff) return fail(at_);
    into = static_cast<std::uint16_t>(from.GetUint64());
  }
  template <class Item>
  void value(const json::Value& from, std::vector<Item>& into) {
    if (!from.IsArray()) return fail(at_);
    for (const json::Value& item : from.GetArray()) value(item, into.emplace_back());
  }
  template <class Item>
  void value(const json::Value& from, std::optional<Item>& into) {
    if (!from.IsNull()) value(from, into.emplace());
  }
  [[nodiscard]] const std::string& wrong() const { return wrong_; }

 private:
  void fail(std::string_view key) {
    if (wrong_.empty()) wrong_ = key;
  }
  std::string at_, wrong_;
};

}  // namespace

std::string print(const ContainerConfig& config) {
  Writer writer;
  writer.value(config);
  return writer.text();
}

Result<ContainerConfig> parse_config(std::string_view text) {
  const json::Document document = TRY(json::parse(text, "config.json"));
  ContainerConfig config;
  Reader reader;
  reader.value(document, config);
  if (!reader.wrong().empty()) return invalid(cat("config.json: no usable \"", reader.wrong(), "\""));
  return config;
}

}  // namespace convox::runtime
