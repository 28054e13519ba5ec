// runtime-spec 1.3, config-linux.md, "Seccomp".
#include <linux/seccomp.h>

#include "runtime/oci/config_read.h"

namespace convox::oci {
namespace {

// A word of the profile, by one of the functions of profile.h.
template <class Target, class Meaning>
void translate(const Item& item, Target& target, Meaning meaning) {
  if (!item.check(item.value().IsString(), "a string")) return;
  auto result = meaning(item.text());
  if (!result) return item.fail(result.error().text);
  target = *result;
}

// `action` and the number that goes with it.
void take_action(const Item& item, std::string_view key, std::string_view number_key, security::SeccompAction& action) {
  std::optional<std::uint32_t> number;
  item.take(number_key, number);
  const json::Value* value = item.find(key);
  if (!value) return item.fail(cat("`", key, "` is missing"));
  translate(Item(*value, item, key), action,
            [&](std::string_view name) { return security::seccomp_action(name, number); });
}

void read(const Item& item, security::SeccompArgument& argument) {
  item.take("index", argument.index, 0U, 5U);
  item.take("value", argument.value);
  item.take("valueTwo", argument.value_two);
  const json::Value* op = item.find("op");
  if (!op) return item.fail("`op` is missing");
  translate(Item(*op, item, "op"), argument.compare, security::seccomp_compare);
}

void read_rule(const Item& item, security::SeccompRule& rule) {
  item.take("names", rule.names);
  if (rule.names.empty()) return item.fail("`names` is empty");
  take_action(item, "action", "errnoRet", rule.action);
  item.elements("args", [&](const Item& argument) { read(argument, rule.arguments.emplace_back()); });
}

}  // namespace

void read(const Item& item, std::optional<security::Profile>& target) {
  if (!item.has("defaultAction") && !item.has("syscalls")) return;
  security::Profile& profile = target.emplace();
  take_action(item, "defaultAction", "defaultErrnoRet", profile.default_action);
  item.elements("architectures", [&](const Item& name) {
    translate(name, profile.architectures.emplace_back(), security::seccomp_architecture);
  });
  // Without a word on flags the filter does not switch on the mitigation of Spectre v4, which costs what it did not
  // protect: seccomp(2), SECCOMP_FILTER_FLAG_SPEC_ALLOW. An empty list is none at all.
  if (!item.has("flags")) profile.flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  item.elements("flags", [&](const Item& name) {
    std::uint32_t flag = 0;
    translate(name, flag, security::seccomp_flag);
    profile.flags |= flag;
  });
  item.elements("syscalls", [&](const Item& rule) { read_rule(rule, profile.rules.emplace_back()); });
  item.take("listenerPath", profile.listener_path);
  item.take("listenerMetadata", profile.listener_metadata);
}

}  // namespace convox::oci
