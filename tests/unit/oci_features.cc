// Is what `features` promises what the readers take, and is the document that `spec` writes a good one?
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/base/json.h"
#include "runtime/oci/features.h"
#include "runtime/oci/spec.h"
#include "tests/unit/oci_documents.h"

using namespace convox;
using namespace convox::oci;

namespace {

json::Document features() {
  auto document = json::parse(features_json(), "features");
  cr_assert(document.has_value());
  return *std::move(document);
}

std::vector<std::string> list(const json::Value& object, const char* key) {
  auto found = json::strings(object, key);
  cr_assert(found.has_value());
  cr_assert(not(found->empty()), "%s", key);
  return *std::move(found);
}

// That a configuration with `member`, for each word in its place, is read.
void expect_taken(const std::vector<std::string>& words, std::string_view before, std::string_view behind) {
  for (const std::string& word : words) {
    const auto config = read_config(document(cat(before, word, behind)));
    cr_expect(config.has_value(), "%s: %s", word.c_str(), config ? "" : config.error().text.c_str());
  }
}

Config good_spec(bool rootless) {
  Config config = config_of(spec_json(rootless));
  const auto checked = check(config);
  cr_expect(checked.has_value(), "%s", checked ? "" : checked.error().text.c_str());
  return config;
}

const Mount& mount_at(const Config& config, std::string_view destination) {
  const auto is = [&](const Mount& mount) { return mount.destination == destination; };
  const auto found = std::find_if(config.mounts.begin(), config.mounts.end(), is);
  cr_assert(found != config.mounts.end(), "%s", std::string(destination).c_str());
  return *found;
}

}  // namespace

Test(oci_features, both_versions_are_accepted_and_six_hooks_are_read) {
  const json::Document document = features();
  for (const char* key : {"ociVersionMin", "ociVersionMax"}) {
    const auto version = json::string(document, key);
    cr_assert(version && *version);
    cr_expect(check(config_of(cat(R"({"ociVersion": ")", **version, R"(", "root": {"path": "r"}})"))).has_value());
  }
  const auto hooks = list(document, "hooks");
  cr_expect(eq(sz, hooks.size(), 6));
  for (const std::string& hook : hooks)
    cr_expect(not(read_config(::document("", cat(R"("hooks": {")", hook, R"(": 1})"))).has_value()), "%s",
              hook.c_str());
}

Test(oci_features, each_word_of_seccomp_is_taken) {
  const json::Document document = features();
  const json::Value& seccomp = document["linux"]["seccomp"];
  const auto is_known = [&](const char* key, auto meaning) {
    for (const std::string& word : list(seccomp, key)) cr_expect(meaning(word), "%s", word.c_str());
  };
  is_known("actions", [](const std::string& word) { return security::seccomp_action(word, {}).has_value(); });
  is_known("operators", [](const std::string& word) { return security::seccomp_compare(word).has_value(); });
  is_known("archs", [](const std::string& word) { return security::seccomp_architecture(word).has_value(); });
  is_known("knownFlags", [](const std::string& word) { return security::seccomp_flag(word).has_value(); });
  cr_expect(list(seccomp, "archs").size() == 23);
  // Linux 4.14 has this flag.
  const auto supported = list(seccomp, "supportedFlags");
  cr_expect(std::find(supported.begin(), supported.end(), "SECCOMP_FILTER_FLAG_LOG") != supported.end());
}

Test(oci_features, each_namespace_capability_and_mode_is_taken) {
  const json::Document document = features();
  const json::Value& linux_part = document["linux"];
  const auto namespaces = list(linux_part, "namespaces");
  cr_expect(eq(sz, namespaces.size(), 8));
  expect_taken(namespaces, R"("namespaces": [{"type": ")", "\"}]");
  expect_taken(list(linux_part["memoryPolicy"], "modes"), R"("memoryPolicy": {"mode": ")", "\"}");
  expect_taken(list(linux_part["memoryPolicy"], "flags"), R"("memoryPolicy": {"mode": "MPOL_BIND", "flags": [")",
               "\"]}");
  const auto capabilities = list(linux_part, "capabilities");
  cr_expect(eq(sz, capabilities.size(), CAP_LAST_CAP + 1));
  for (const std::string& name : capabilities)
    cr_expect(process_of(cat(R"({"capabilities": {"bounding": [")", name, "\"]}}")).capabilities->bounding != 0);
}

Test(oci_features, what_is_implemented_is_said_even_where_the_machine_lacks_it) {
  const json::Document document = features();
  const json::Value& linux_part = document["linux"];
  for (const char* part : {"seccomp", "apparmor", "selinux", "intelRdt", "netDevices"})
    cr_expect(linux_part[part]["enabled"].GetBool(), "%s", part);
  cr_expect(linux_part["mountExtensions"]["idmap"]["enabled"].GetBool());
  cr_expect(linux_part["cgroup"]["v2"].GetBool());
  cr_expect(not(linux_part["cgroup"]["v1"].GetBool()));
  cr_expect(list(document, "mountOptions").size() > 60);
  cr_expect(list(document, "potentiallyUnsafeConfigAnnotations").size() == 3);
}

Test(oci_spec, the_first_configuration_is_a_good_one) {
  const Config config = good_spec(false);
  cr_expect(config.process->terminal && config.root_read_only);
  expect_text(config.root, "rootfs");
  cr_expect(config.process->args == std::vector<std::string>{"/bin/sh"});
  const auto wanted = security::bit(CAP_AUDIT_WRITE) | security::bit(CAP_KILL) | security::bit(CAP_NET_BIND_SERVICE);
  cr_expect(config.process->capabilities->bounding == wanted && config.process->capabilities->ambient == 0);
  cr_expect(config.process->rlimits.size() == 1 && config.process->rlimits[0].soft == 1024);
  for (const Kind kind : {Kind::kPid, Kind::kNetwork, Kind::kIpc, Kind::kUts, Kind::kMount, Kind::kCgroup})
    cr_expect(config.is_new(kind));
  cr_expect(not(config.has_own(Kind::kUser)));
  expect_text(mount_at(config, "/dev/pts").data.back(), "gid=5");
  expect_text(mount_at(config, "/sys/fs/cgroup").type, "cgroup");
  cr_expect(config.masked_paths.size() == 11 && config.read_only_paths.size() == 5);
  cr_expect(config.resources.devices == std::vector<cgroups::DeviceRule>(1));
}

Test(oci_spec, that_of_a_user_asks_for_nothing_that_a_user_cannot_have) {
  const Config config = good_spec(true);
  cr_expect(config.is_new(Kind::kUser));
  cr_expect(not(config.has_own(Kind::kNetwork)));
  const std::vector<IdMapping> uids = {{0, geteuid(), 1}}, gids = {{0, getegid(), 1}};
  cr_expect(config.uid_mappings == uids);
  cr_expect(config.gid_mappings == gids);
  for (const std::string& option : mount_at(config, "/dev/pts").data) cr_expect(not(option.starts_with("gid=")));
  cr_expect(mount_at(config, "/sys").recursive && mount_at(config, "/sys").set & MOUNT_ATTR_RDONLY);
  cr_expect(config.resources.devices.empty());
}
