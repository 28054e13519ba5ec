#include "cli/inspect_view.h"

#include "cli/networks_view.h"
#include "cli/text.h"
#include "runtime/base/json.h"
#include "runtime/base/words.h"
#include "runtime/config_record.h"
#include "runtime/words.h"

namespace convox::cli {
namespace {

using json::PrettyWriter;
using json::Value;

// JSON may hold any character, a terminal should not be shown it: what is not harmless is spelt out, line by line.
void put(PrettyWriter& writer, std::string_view text) {
  std::string made;
  for (bool first = true; !text.empty(); first = false) made += cat(first ? "" : "\n", escaped(cut(text, '\n')));
  writer.String(made);
}

void put(PrettyWriter& writer, const char* key, std::string_view text) {
  writer.Key(key);
  put(writer, text);
}

void put(PrettyWriter& writer, const Value& value) {
  if (value.IsString()) return put(writer, std::string_view(value.GetString(), value.GetStringLength()));
  if (value.IsArray()) {
    writer.StartArray();
    for (const Value& one : value.GetArray()) put(writer, one);
    writer.EndArray();
  } else if (value.IsObject()) {
    writer.StartObject();
    for (const auto& [name, member] : value.GetObject()) {
      put(writer, std::string_view(name.GetString(), name.GetStringLength()));
      put(writer, member);
    }
    writer.EndObject();
  } else {
    value.Accept(writer);
  }
}

// The text of a record of ours, as it stands on disk.
void put_record(PrettyWriter& writer, const char* key, const std::string& text) {
  writer.Key(key);
  const auto document = json::parse(text, key);
  if (document)
    put(writer, *document);
  else
    writer.Null();
}

void put_plan(PrettyWriter& writer, const runtime::LaunchPlan& plan) {
  writer.StartArray();
  for (std::size_t step = 1; step <= plan.size(); ++step) {
    const runtime::Words words = runtime::words_of(plan, step);
    writer.StartObject();
    writer.Key("step");
    writer.Uint64(step);
    put(writer, "deed", words.deed);
    put(writer, "why", words.why);
    put(writer, "source", words.source);
    writer.EndObject();
  }
  writer.EndArray();
}

void put_capabilities(PrettyWriter& writer, const char* key, security::CapabilitySet set) {
  writer.Key(key);
  writer.StartArray();
  const std::string names = set ? security::names(set) : "";
  for (std::string_view rest = names; !rest.empty();) put(writer, cut(rest, ' '));
  writer.EndArray();
}

void put_limit(PrettyWriter& writer, const char* key, const std::optional<std::uint64_t>& limit) {
  writer.Key(key);
  if (limit)
    writer.Uint64(*limit);
  else
    writer.String("unlimited");
}

void put_process(PrettyWriter& writer, int pid, const runtime::ContainerFacts& facts) {
  const auto& sets = facts.status.capabilities;
  writer.StartObject();
  writer.Key("pid");
  writer.Int(pid);
  put(writer, "seccomp", facts.status.seccomp);
  writer.Key("seccomp_filters");
  writer.Uint(facts.status.filters);
  writer.Key("no_new_privileges");
  writer.Bool(facts.status.no_new_privileges);
  writer.Key("capabilities");
  writer.StartObject();
  put_capabilities(writer, "bounding", sets.bounding);
  put_capabilities(writer, "permitted", sets.permitted);
  put_capabilities(writer, "effective", sets.effective);
  put_capabilities(writer, "inheritable", sets.inheritable);
  put_capabilities(writer, "ambient", sets.ambient);
  writer.EndObject();
  writer.Key("limits");
  writer.StartObject();
  for (const runtime::LimitFact& limit : facts.limits) {
    writer.Key(limit.name);
    writer.StartObject();
    put_limit(writer, "soft", limit.soft);
    put_limit(writer, "hard", limit.hard);
    writer.EndObject();
  }
  writer.EndObject();
  writer.EndObject();
}

void put_namespaces(PrettyWriter& writer, const std::vector<runtime::NamespaceFact>& namespaces) {
  writer.StartObject();
  for (const runtime::NamespaceFact& one : namespaces) {
    writer.Key(one.kind);
    writer.StartObject();
    writer.Key("inode");
    writer.Uint64(one.inode);
    writer.Key("of_host");
    writer.Bool(one.of_host);
    writer.EndObject();
  }
  writer.EndObject();
}

void put_mounts(PrettyWriter& writer, const std::vector<runtime::MountFact>& mounts) {
  writer.StartArray();
  for (const runtime::MountFact& mount : mounts) {
    writer.StartObject();
    put(writer, "target", mount.target);
    put(writer, "type", mount.type);
    put(writer, "source", mount.source);
    put(writer, "root", mount.root);
    put(writer, "options", mount.options);
    put(writer, "super_options", mount.super_options);
    writer.EndObject();
  }
  writer.EndArray();
}

void put_cgroup(PrettyWriter& writer, const Inspected& one) {
  writer.StartObject();
  put(writer, "path", one.cgroup);
  writer.Key("files");
  writer.StartObject();
  for (const auto& [name, content] : one.cgroup_files) put(writer, name.c_str(), content);
  writer.EndObject();
  writer.EndObject();
}

void put_network(PrettyWriter& writer, const Inspected& one, const networks::Lease& lease) {
  writer.StartObject();
  put(writer, "name", lease.network);
  put_addresses(writer, lease.place, one.container.record.id, one.prefix);
  writer.Key("ports");
  writer.StartArray();
  if (one.plan)
    for (const networks::Published& port : one.plan->config.network.published) put_port(writer, port);
  writer.EndArray();
  writer.EndObject();
}

// A member that is known only of some containers.
template <class Known, class Put>
void put_if(PrettyWriter& writer, const char* key, const std::optional<Known>& known, Put put_it) {
  writer.Key(key);
  if (known)
    put_it(*known);
  else
    writer.Null();
}

void put(PrettyWriter& writer, const Inspected& one) {
  const runtime::Record& record = one.container.record;
  writer.StartObject();
  put(writer, "id", record.id);
  writer.Key("live");
  writer.Bool(one.container.live);
  put_record(writer, "record", print(record));
  if (one.plan)
    put_record(writer, "config", print(one.plan->config));
  else
    writer.Key("config"), writer.Null();
  put_if(writer, "plan", one.plan, [&](const auto& plan) { put_plan(writer, plan); });
  put_if(writer, "network", one.lease, [&](const auto& lease) { put_network(writer, one, lease); });
  put_if(writer, "process", one.facts, [&](const auto& facts) { put_process(writer, record.pid, facts); });
  put_if(writer, "namespaces", one.facts, [&](const auto& facts) { put_namespaces(writer, facts.namespaces); });
  put_if(writer, "mounts", one.facts, [&](const auto& facts) { put_mounts(writer, facts.mounts); });
  writer.Key("layers");
  writer.StartArray();
  for (const std::string& chain : record.layers) put(writer, chain);
  writer.EndArray();
  writer.Key("cgroup");
  put_cgroup(writer, one);
  writer.EndObject();
}

}  // namespace

std::string inspection(const std::vector<Inspected>& all) {
  json::Buffer buffer;
  PrettyWriter writer(buffer);
  writer.SetIndent(' ', 2);
  writer.StartArray();
  for (const Inspected& one : all) put(writer, one);
  writer.EndArray();
  return cat(std::string_view(buffer.GetString(), buffer.GetSize()), "\n");
}

}  // namespace convox::cli
