// What CRIU is told: the options for a container's mounts, namespaces, pipes and cgroup.
#include <criterion/criterion.h>

#include <algorithm>

#include "cli/oci/criu_words.h"
#include "runtime/oci/criu.h"

using namespace convox;
using namespace convox::oci;

namespace {

// OPTION VALUE, side by side.
bool has(const std::vector<std::string>& words, const std::string& option, const std::string& value) {
  for (std::size_t i = 0; i + 1 < words.size(); ++i)
    if (words[i] == option && words[i + 1] == value) return true;
  return false;
}
bool has(const std::vector<std::string>& words, const std::string& option) {
  return std::find(words.begin(), words.end(), option) != words.end();
}

Config with_bind() {
  Config config;
  Mount bind;
  bind.destination = "/etc/hosts";
  bind.source = "hosts";
  bind.bind = true;
  Mount proc;
  proc.destination = "/proc";
  proc.type = "proc";
  config.mounts = {bind, proc};
  return config;
}

State running() {
  State state;
  state.pid = 77;
  state.rootfs = "/bundle/rootfs";
  state.bundle = "/bundle";
  state.cgroup = "pods/one";
  return state;
}

const std::vector<External> kNetwork = {{Kind::kNetwork, "/run/netns/x", 4026532001}};

}  // namespace

Test(criu, a_dump_names_bind_mounts_and_joined_namespaces_as_external) {
  const auto words = dump_arguments({.images = "/i", .work = "/w"}, with_bind(), running(), kNetwork);
  cr_expect(words[0] == "criu" && words[1] == "dump");
  cr_expect(has(words, "--tree", "77"));
  cr_expect(has(words, "--images-dir", "/i"));
  cr_expect(has(words, "--work-dir", "/w"));
  cr_expect(has(words, "--root", "/bundle/rootfs"));
  cr_expect(has(words, "--external", "mnt[/etc/hosts]:/etc/hosts"));
  cr_expect(has(words, "--external", "net[4026532001]:extRootNetNS"));
  cr_expect(std::count(words.begin(), words.end(), "--external") == 2);
}

Test(criu, a_pre_dump_tracks_memory_and_a_dump_names_its_parent) {
  const Criu pre{.images = "/i", .work = "/w", .pre_dump = true};
  cr_expect(dump_arguments(pre, {}, running(), {})[1] == "pre-dump");
  cr_expect(has(dump_arguments(pre, {}, running(), {}), "--track-mem"));
  const auto words = dump_arguments({.images = "/i", .work = "/w", .parent = "../p"}, {}, running(), {});
  cr_expect(has(words, "--prev-images-dir", "../p"));
}

Test(criu, a_restore_finds_sources_namespaces_and_pipes) {
  const auto words = restore_arguments({.images = "/i", .work = "/w"}, with_bind(), running(), kNetwork,
                                       {"/dev/null", "pipe:[11]", "pipe:[12]"}, "/state/restored");
  cr_expect(words[1] == "restore");
  cr_expect(has(words, "--restore-detached"));
  cr_expect(has(words, "--restore-sibling"));
  cr_expect(has(words, "--pidfile", "/state/restored"));
  cr_expect(has(words, "--external", "mnt[/etc/hosts]:/bundle/hosts"));
  cr_expect(has(words, "--inherit-fd", "fd[3]:extRootNetNS"));
  cr_expect(has(words, "--inherit-fd", "fd[5]:pipe:[11]"));
  cr_expect(has(words, "--inherit-fd", "fd[6]:pipe:[12]"));
  cr_expect(std::count(words.begin(), words.end(), "--inherit-fd") == 3);
  cr_expect(has(words, "--cgroup-root", "/pods/one"));
}

Test(criu, flags_become_its_options) {
  Words words;
  for (const char* flag : {"leave-running", "tcp-established", "tcp-skip-in-flight"}) words.flags[flag];
  words.flags["page-server"] = {"::1:99"};
  words.flags["empty-ns"] = {"net"};
  const auto options = criu_options(words);
  cr_assert(options.has_value());
  for (const char* option : {"--leave-running", "--tcp-established", "--skip-in-flight", "--page-server"})
    cr_expect(has(*options, option), "%s", option);
  cr_expect(has(*options, "--address", "::1"));
  cr_expect(has(*options, "--port", "99"));
  cr_expect(has(*options, "--empty-ns", "net"));
  cr_expect(has(*options, "--manage-cgroups=soft"));
  words.flags["manage-cgroups-mode"] = {"hard"};
  cr_expect_not(criu_options(words).has_value());
}
