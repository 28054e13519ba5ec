// Does each member of a config.json end where it belongs, and is what is wrong named by its place?
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "runtime/oci/config.h"
#include "tests/unit/oci_documents.h"

using namespace convox;
using namespace convox::oci;

namespace {

std::string refused(std::string_view text) {
  const auto config = read_config(text);
  return config ? "accepted" : config.error().text;
}
std::string refused_linux(std::string_view members) { return refused(document(members)); }
std::string refused_process(std::string_view text) {
  const auto process = read_process(text);
  return process ? "accepted" : process.error().text;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += cat(all.empty() ? "" : " ", text);
  return all;
}

std::string joined(const Pairs& pairs) {
  std::string all;
  for (const auto& [key, value] : pairs) all += cat(all.empty() ? "" : " ", key, "=", value);
  return all;
}

std::string joined(const std::vector<IdMapping>& mappings) {
  std::string all;
  for (const IdMapping& it : mappings) all += cat(all.empty() ? "" : " ", it.container, "-", it.host, "-", it.size);
  return all;
}

}  // namespace

// --- the text --------------------------------------------------------------------------------------------------------
Test(oci_config, refuses_what_two_readers_would_see_differently) {
  cr_expect(refused("[]").find("object") != std::string::npos);
  cr_expect(refused("{").starts_with("config.json: "));
  cr_expect(refused(R"({"ociVersion": "1.0.0", "ociVersion": "1.0.1"})").find("given twice") != std::string::npos);
  expect_text(refused(R"({"ociVersion": "1.0.0", "process": {"args": ["a", "b\u0000"]}})"),
              "config.json: process.args[1]: a NUL in a string");
  cr_expect(refused(R"({"ociVersion": "1.0\u0000"})").find("NUL") != std::string::npos);
  cr_expect(refused("{\"hostname\": \"\xff\"}") != "accepted");
}

Test(oci_config, ignores_members_that_nobody_knows_and_takes_null_for_absent) {
  const Config config = config_of(R"({"ociVersion": "1.3.0", "vm": {"kernel": 1}, "process": null, "linux": null,
      "root": {"path": "r", "readonly": null, "x": [[]]}, "mounts": null, "hooks": {"prestart": null}})");
  expect_text(config.root, "r");
  cr_expect(not(config.process.has_value()));
  cr_expect(config.mounts.empty());
}

Test(oci_config, a_wrong_type_is_named_by_its_place) {
  expect_text(refused_linux(R"("resources": {"memory": {"limit": "1"}})"),
              "linux.resources.memory.limit: must be a number");
  expect_text(refused(document("", R"("hostname": 1)")), "hostname: must be a string");
  expect_text(refused(document("", R"("mounts": {})")), "mounts: must be a list");
  expect_text(refused(document("", R"("mounts": [{"destination": "/a"}, 7])")), "mounts[1]: must be an object");
  expect_text(refused(document("", R"("annotations": {"a": 1})")), "annotations.a: must be a string");
  expect_text(refused(document("", "", R"({"terminal": 1})")), "process.terminal: must be true or false");
  expect_text(refused(document("", "", R"({"args": ["a", null]})")), "process.args[1]: must be a string");
  expect_text(refused(document("", "", R"({"user": []})")), "process.user: must be an object");
}

Test(oci_config, the_first_error_of_the_document_is_the_one_that_is_told) {
  expect_text(refused(document(R"("cgroupsPath": 1)", R"("hostname": 1)", R"({"cwd": 1, "args": 1})")),
              "process.args: must be a list");
}

Test(oci_config, numbers_are_whole_and_in_their_range) {
  const auto uid = [](std::string_view number) { return refused_process(cat(R"({"user": {"uid": )", number, "}}")); };
  expect_text(uid("4294967295"), "accepted");
  expect_text(uid("4294967296"), "process.user.uid: must be a whole number from 0 to 4294967295");
  expect_text(uid("-1"), "process.user.uid: must be a whole number from 0 to 4294967295");
  expect_text(uid("1.0"), "process.user.uid: must be a whole number from 0 to 4294967295");
  expect_text(uid("1e3"), "process.user.uid: must be a whole number from 0 to 4294967295");
  expect_text(uid("true"), "process.user.uid: must be a number");
  const auto limit = [](std::string_view number) {
    return refused_process(cat(R"({"rlimits": [{"type": "RLIMIT_CPU", "soft": 0, "hard": )", number, "}]}"));
  };
  expect_text(limit("18446744073709551615"), "accepted");
  expect_text(limit("18446744073709551616"),
              "process.rlimits[0].hard: must be a whole number from 0 to 18446744073709551615");
  const auto memory = [](std::string_view number) {
    return refused_linux(cat(R"("resources": {"memory": {"limit": )", number, "}}"));
  };
  expect_text(memory("-9223372036854775808"), "accepted");
  expect_text(memory("9223372036854775808"),
              "linux.resources.memory.limit: must be a whole number from -9223372036854775808 to 9223372036854775807");
}

// --- process ---------------------------------------------------------------------------------------------------------
Test(oci_config, a_process_has_its_user_its_words_and_its_terminal) {
  const Process process = process_of(R"({"terminal": true, "consoleSize": {"height": 25, "width": 80},
      "user": {"uid": 1, "gid": 2, "umask": 18, "additionalGids": [3, 4], "username": "windows"},
      "args": ["a", "b c"], "env": ["A=1", "B="], "cwd": "/tmp", "noNewPrivileges": true,
      "apparmorProfile": "p", "selinuxLabel": "l", "oomScoreAdj": -1000,
      "execCPUAffinity": {"initial": "0-1", "final": "2"}})");
  cr_expect(process.terminal);
  cr_assert(process.console_size.has_value());
  cr_expect(eq(int, process.console_size->rows, 25));
  cr_expect(eq(int, process.console_size->columns, 80));
  cr_expect(process.user.uid == 1 && process.user.gid == 2 && process.user.umask == 022U);
  cr_expect(process.user.additional_gids == std::vector<std::uint32_t>({3, 4}));
  expect_text(joined(process.args), "a b c");
  cr_expect(process.args.size() == 2);
  expect_text(joined(process.env), "A=1 B=");
  expect_text(process.cwd, "/tmp");
  cr_expect(process.no_new_privileges == true);
  cr_expect(process.apparmor_profile == "p" && process.selinux_label == "l");
  cr_expect(process.oom_score_adj == -1000);
  cr_assert(process.exec_cpu_affinity.has_value());
  expect_text(process.exec_cpu_affinity->initial, "0-1");
  expect_text(process.exec_cpu_affinity->final, "2");
}

Test(oci_config, what_a_process_does_not_say_is_absent) {
  const Process process = process_of("{}");
  cr_expect(not(process.terminal));
  cr_expect(not(process.console_size || process.user.umask || process.capabilities || process.no_new_privileges));
  cr_expect(not(process.apparmor_profile || process.selinux_label || process.oom_score_adj || process.scheduler));
  cr_expect(not(process.io_priority || process.exec_cpu_affinity));
  expect_text(process.cwd, "");
  cr_expect(not(process_of(R"({"apparmorProfile": "", "selinuxLabel": ""})").apparmor_profile.has_value()));
  cr_expect(process_of(R"({"oomScoreAdj": 0})").oom_score_adj == 0);
  expect_text(refused_process(R"({"oomScoreAdj": 1001})"),
              "process.oomScoreAdj: must be a whole number from -1000 to 1000");
}

Test(oci_config, capabilities_are_five_sets_and_unknown_names_are_ignored) {
  const Process process = process_of(R"({"capabilities": {
      "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_OF_TOMORROW", "ALL", "kill", "CAP_ALL", "CAP_7"],
      "effective": ["CAP_KILL"], "permitted": ["CAP_CHOWN"], "inheritable": ["CAP_FOWNER"],
      "ambient": ["CAP_CHECKPOINT_RESTORE"]}})");
  cr_assert(process.capabilities.has_value());
  cr_expect(process.capabilities->bounding == (security::bit(CAP_CHOWN) | security::bit(CAP_KILL)));
  cr_expect(process.capabilities->effective == security::bit(CAP_KILL));
  cr_expect(process.capabilities->permitted == security::bit(CAP_CHOWN));
  cr_expect(process.capabilities->inheritable == security::bit(CAP_FOWNER));
  cr_expect(process.capabilities->ambient == security::bit(40));
  expect_text(refused_process(R"({"capabilities": {"ambient": [1]}})"),
              "process.capabilities.ambient[0]: must be a string");
  cr_expect(process_of(R"({"capabilities": {}})").capabilities.has_value());
}

Test(oci_config, limits_are_known_by_their_sixteen_names) {
  const std::pair<const char*, int> names[] = {
      {"AS", RLIMIT_AS},           {"CORE", RLIMIT_CORE},         {"CPU", RLIMIT_CPU},
      {"DATA", RLIMIT_DATA},       {"FSIZE", RLIMIT_FSIZE},       {"LOCKS", RLIMIT_LOCKS},
      {"MEMLOCK", RLIMIT_MEMLOCK}, {"MSGQUEUE", RLIMIT_MSGQUEUE}, {"NICE", RLIMIT_NICE},
      {"NOFILE", RLIMIT_NOFILE},   {"NPROC", RLIMIT_NPROC},       {"RSS", RLIMIT_RSS},
      {"RTPRIO", RLIMIT_RTPRIO},   {"RTTIME", RLIMIT_RTTIME},     {"SIGPENDING", RLIMIT_SIGPENDING},
      {"STACK", RLIMIT_STACK}};
  for (const auto& [name, number] : names) {
    const Process process = process_of(cat(R"({"rlimits": [{"type": "RLIMIT_)", name, R"(", "soft": 5, "hard": 6}]})"));
    cr_assert(process.rlimits.size() == 1);
    cr_expect(process.rlimits[0].resource == static_cast<unsigned>(number), "%s", name);
    cr_expect(process.rlimits[0].soft == 5 && process.rlimits[0].hard == 6);
  }
  expect_text(refused_process(R"({"rlimits": [{"type": "RLIMIT_X"}]})"),
              "process.rlimits[0].type: \"RLIMIT_X\" is unknown");
  expect_text(refused_process(R"({"rlimits": [{"soft": 1}]})"), "process.rlimits[0]: `type` is missing");
}

Test(oci_config, scheduling_is_in_the_numbers_of_the_kernel) {
  const Process process = process_of(R"({"scheduler": {"policy": "SCHED_DEADLINE", "nice": -5, "priority": 3,
      "flags": ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_UTIL_CLAMP_MAX"], "runtime": 1, "deadline": 2, "period": 3},
      "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 7}})");
  cr_assert(process.scheduler.has_value());
  cr_expect(process.scheduler->policy == 6 && process.scheduler->nice == -5 && process.scheduler->priority == 3);
  cr_expect(process.scheduler->flags == 0x41);
  cr_expect(process.scheduler->runtime == 1 && process.scheduler->deadline == 2 && process.scheduler->period == 3);
  cr_expect(process.io_priority == (2U << 13 | 7U));
  const std::pair<const char*, unsigned> policies[] = {{"OTHER", 0}, {"FIFO", 1}, {"RR", 2},      {"BATCH", 3},
                                                       {"ISO", 4},   {"IDLE", 5}, {"DEADLINE", 6}};
  for (const auto& [name, number] : policies)
    cr_expect(process_of(cat(R"({"scheduler": {"policy": "SCHED_)", name, "\"}}")).scheduler->policy == number);
  expect_text(refused_process(R"({"scheduler": {}})"), "process.scheduler: `policy` is missing");
  expect_text(refused_process(R"({"scheduler": {"policy": "X"}})"), "process.scheduler.policy: \"X\" is unknown");
  expect_text(refused_process(R"({"scheduler": {"policy": "SCHED_RR", "flags": ["X"]}})"),
              "process.scheduler.flags[0]: \"X\" is unknown");
  expect_text(refused_process(R"({"ioPriority": {"class": "X"}})"), "process.ioPriority.class: \"X\" is unknown");
  expect_text(refused_process(R"({"ioPriority": {"priority": 1}})"), "process.ioPriority: `class` is missing");
  expect_text(refused_process(R"({"ioPriority": {"class": "IOPRIO_CLASS_RT", "priority": 8}})"),
              "process.ioPriority.priority: must be a whole number from 0 to 7");
}

// --- the container ---------------------------------------------------------------------------------------------------
Test(oci_config, the_top_says_version_root_and_names) {
  const Config config = config_of(R"({"ociVersion": "1.0.2-dev", "root": {"path": "r", "readonly": true},
      "hostname": "h", "domainname": "d", "annotations": {"b": "1", "a": "2"}})");
  expect_text(config.version, "1.0.2-dev");
  expect_text(config.root, "r");
  cr_expect(config.root_read_only);
  expect_text(config.hostname, "h");
  expect_text(config.domainname, "d");
  expect_text(joined(config.annotations), "b=1 a=2");
  cr_assert(config.annotation("a") != nullptr);
  expect_text(*config.annotation("a"), "2");
  cr_expect(config.annotation("c") == nullptr);
}

Test(oci_config, mounts_keep_their_order_and_what_is_bound) {
  const Config config = config_of(document("", R"("mounts": [
      {"destination": "/proc", "type": "proc", "source": "proc"},
      {"destination": "data", "source": "src", "options": ["rbind", "ro", "rprivate"]},
      {"destination": "/c", "type": "bind", "source": "/d"},
      {"destination": "/e", "type": "tmpfs", "options": ["size=1m", "mode=755", "tmpcopyup"]},
      {"destination": "/f", "source": "/g", "options": ["bind", "ridmap"],
       "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
       "gidMappings": [{"containerID": 0, "hostID": 2000, "size": 20}]},
      {"destination": "/h", "source": "/i", "options": ["bind"], "uidMappings": [{"size": 1}]}])"));
  cr_assert(config.mounts.size() == 6);
  expect_text(config.mounts[0].type, "proc");
  cr_expect(not(config.mounts[0].bind));
  const Mount& bind = config.mounts[1];
  expect_text(bind.destination, "/data");
  expect_text(bind.source, "src");
  cr_expect(bind.bind && bind.recursive && bind.set == MOUNT_ATTR_RDONLY);
  cr_expect(bind.propagation == MS_PRIVATE && bind.propagation_recursive);
  cr_expect(config.mounts[2].bind && !config.mounts[2].recursive);
  expect_text(joined(config.mounts[3].data), "size=1m mode=755");
  cr_expect(config.mounts[3].copy_up);
  cr_expect(config.mounts[4].idmap == Mount::IdMap::kRecursive);
  expect_text(joined(config.mounts[4].uid_mappings), "0-1000-10");
  expect_text(joined(config.mounts[4].gid_mappings), "0-2000-20");
  cr_expect(config.mounts[5].idmap == Mount::IdMap::kThis);
  expect_text(refused(document("", R"("mounts": [{"destination": "/a", "options": ["ro", "copy-symlink"]}])")),
              "mounts[0].options[1]: the mount option copy-symlink is not supported");
}

Test(oci_config, hooks_are_six_lists) {
  const Config config = config_of(document("", R"("hooks": {"prestart": [{"path": "/1"}],
      "createRuntime": [{"path": "/2", "args": ["two", "x"], "env": ["A=1"], "timeout": 9}],
      "createContainer": [{"path": "/3"}], "startContainer": [{"path": "/4"}], "poststart": [{"path": "/5"}],
      "poststop": [{"path": "/6"}, {"path": "/7"}]})"));
  const Hooks& hooks = config.hooks;
  cr_assert(hooks.prestart.size() == 1 && hooks.create_runtime.size() == 1 && hooks.create_container.size() == 1);
  cr_assert(hooks.start_container.size() == 1 && hooks.poststart.size() == 1 && hooks.poststop.size() == 2);
  expect_text(hooks.prestart[0].path, "/1");
  expect_text(joined(hooks.prestart[0].args), "/1");
  cr_expect(hooks.prestart[0].timeout == 0);
  expect_text(joined(hooks.create_runtime[0].args), "two x");
  expect_text(joined(hooks.create_runtime[0].env), "A=1");
  cr_expect(hooks.create_runtime[0].timeout == 9);
  expect_text(hooks.create_container[0].path, "/3");
  expect_text(hooks.start_container[0].path, "/4");
  expect_text(hooks.poststart[0].path, "/5");
  expect_text(hooks.poststop[1].path, "/7");
  for (const std::string_view bad : {"0", "-1", "4294967296"})
    expect_text(refused(document("", cat(R"("hooks": {"poststop": [{"path": "/a", "timeout": )", bad, "}]}"))),
                "hooks.poststop[0].timeout: must be a whole number from 1 to 4294967295");
}

Test(oci_config, namespaces_are_new_or_joined) {
  const Config config = linux_of(R"("namespaces": [{"type": "pid"}, {"type": "network", "path": "/n"}, {"type": "ipc"},
      {"type": "uts"}, {"type": "mount"}, {"type": "user"}, {"type": "cgroup"}, {"type": "time"}],
      "uidMappings": [{"containerID": 0, "hostID": 1, "size": 2}, {"containerID": 3, "hostID": 4, "size": 5}],
      "gidMappings": [{"containerID": 6, "hostID": 7, "size": 8}])");
  cr_expect(config.namespaces.size() == 8);
  for (const Kind kind : kKinds) {
    cr_expect(config.has_own(kind));
    cr_expect(config.is_new(kind) == (kind != Kind::kNetwork));
  }
  expect_text(config.find(Kind::kNetwork)->path, "/n");
  cr_expect(config_of("{}").find(Kind::kPid) == nullptr);
  cr_expect(not(config_of("{}").is_new(Kind::kPid)));
  expect_text(joined(config.uid_mappings), "0-1-2 3-4-5");
  expect_text(joined(config.gid_mappings), "6-7-8");
  expect_text(refused_linux(R"("namespaces": [{"type": "net"}])"),
              "linux.namespaces[0]: there is no namespace of the type \"net\"");
}

Test(oci_config, each_kind_of_namespace_has_a_file_and_a_flag) {
  const std::tuple<Kind, const char*, unsigned> rows[] = {
      {Kind::kUser, "user", CLONE_NEWUSER},       {Kind::kMount, "mnt", CLONE_NEWNS},
      {Kind::kPid, "pid", CLONE_NEWPID},          {Kind::kNetwork, "net", CLONE_NEWNET},
      {Kind::kIpc, "ipc", CLONE_NEWIPC},          {Kind::kUts, "uts", CLONE_NEWUTS},
      {Kind::kCgroup, "cgroup", CLONE_NEWCGROUP}, {Kind::kTime, "time", CLONE_NEWTIME}};
  for (const auto& [kind, file, flag] : rows) {
    expect_text(file_of(kind), file);
    cr_expect(flag_of(kind) == flag);
  }
}

Test(oci_config, a_placeholder_for_the_mappings_of_a_joined_user_namespace_is_dropped) {
  constexpr std::string_view placeholder =
      R"(, "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}], "gidMappings": [{"size": 1}])";
  const Config joining = linux_of(cat(R"("namespaces": [{"type": "user", "path": "/u"}])", placeholder));
  cr_expect(joining.uid_mappings.empty() && joining.gid_mappings.empty());
  const Config making = linux_of(cat(R"("namespaces": [{"type": "user"}])", placeholder));
  cr_expect(making.uid_mappings.size() == 1 && making.gid_mappings.size() == 1);
}

Test(oci_config, devices_have_a_type_numbers_and_an_owner) {
  const Config config = linux_of(R"("devices": [{"path": "/dev/a", "type": "u", "major": 1, "minor": 2},
      {"path": "/dev/b", "type": "b", "major": 3, "minor": 4, "fileMode": 8612, "uid": 5, "gid": 6},
      {"path": "/dev/p", "type": "p"}])");
  cr_assert(config.devices.size() == 3);
  cr_expect(config.devices[0].type == 'c' && config.devices[0].major == 1 && config.devices[0].minor == 2);
  cr_expect(config.devices[0].mode == 0666 && config.devices[0].uid == 0);
  cr_expect(config.devices[1].type == 'b' && config.devices[1].mode == 0644);
  cr_expect(config.devices[1].uid == 5 && config.devices[1].gid == 6);
  cr_expect(config.devices[2].type == 'p');
  expect_text(config.devices[2].path, "/dev/p");
  expect_text(refused_linux(R"("devices": [{"path": "/a", "type": "x"}])"), "linux.devices[0].type: \"x\" is unknown");
  expect_text(refused_linux(R"("devices": [{"path": "/a"}])"), "linux.devices[0]: `type` is missing");
  expect_text(refused_linux(R"("devices": [{"path": "/a", "type": "c", "major": 1}])"),
              "linux.devices[0]: `minor` is missing");
}

Test(oci_config, the_rest_of_linux_is_read) {
  const Config config = linux_of(R"("cgroupsPath": "/a/b", "rootfsPropagation": "rslave", "maskedPaths": ["/m"],
      "readonlyPaths": ["/r", "/s"], "mountLabel": "label",
      "sysctl": {"net.ipv4.ip_forward": "1", "net/ipv4/conf/eth0.1/forwarding": "0"},
      "personality": {"domain": "LINUX32", "flags": []},
      "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0-1", "flags": ["MPOL_F_STATIC_NODES"]},
      "timeOffsets": {"monotonic": {"secs": -5, "nanosecs": 6}, "boottime": {"secs": 7}},
      "netDevices": {"eth1": {"name": "lan"}, "eth2": {}})");
  expect_text(config.cgroups_path, "/a/b");
  cr_expect(config.root_propagation == (MS_SLAVE | MS_REC));
  expect_text(joined(config.masked_paths), "/m");
  expect_text(joined(config.read_only_paths), "/r /s");
  expect_text(config.mount_label, "label");
  expect_text(joined(config.sysctl), "net.ipv4.ip_forward=1 net.ipv4.conf.eth0/1.forwarding=0");
  cr_expect(config.personality == unsigned{PER_LINUX32});
  cr_assert(config.memory_policy.has_value());
  cr_expect(config.memory_policy->mode == (2U | 1U << 15));
  expect_text(config.memory_policy->nodes, "0-1");
  cr_assert(config.monotonic && config.boottime);
  cr_expect(config.monotonic->seconds == -5 && config.monotonic->nanoseconds == 6);
  cr_expect(config.boottime->seconds == 7 && config.boottime->nanoseconds == 0);
  cr_assert(config.net_devices.size() == 2);
  expect_text(config.net_devices[0].host_name, "eth1");
  expect_text(config.net_devices[0].name, "lan");
  expect_text(config.net_devices[1].name, "eth2");
  expect_text(refused_linux(R"("rootfsPropagation": "x")"), "linux.rootfsPropagation: \"x\" is unknown");
  expect_text(refused_linux(R"("personality": {"domain": "BSD"})"), "linux.personality.domain: \"BSD\" is unknown");
  expect_text(refused_linux(R"("personality": {})"), "linux.personality: `domain` is missing");
  expect_text(refused_linux(R"("personality": {"domain": "LINUX", "flags": ["A"]})"),
              "linux.personality.flags[0]: there are no flags of a personality");
  expect_text(refused_linux(R"("memoryPolicy": {"mode": "X"})"), "linux.memoryPolicy.mode: \"X\" is unknown");
  expect_text(refused_linux(R"("memoryPolicy": {})"), "linux.memoryPolicy: `mode` is missing");
  expect_text(refused_linux(R"("timeOffsets": {"realtime": {}})"),
              "linux.timeOffsets.realtime: this clock has no offset");
}

Test(oci_config, every_propagation_of_the_root_is_known) {
  const std::pair<const char*, unsigned long> words[] = {{"shared", MS_SHARED},
                                                         {"rshared", MS_SHARED | MS_REC},
                                                         {"slave", MS_SLAVE},
                                                         {"rslave", MS_SLAVE | MS_REC},
                                                         {"private", MS_PRIVATE},
                                                         {"rprivate", MS_PRIVATE | MS_REC},
                                                         {"unbindable", MS_UNBINDABLE},
                                                         {"runbindable", MS_UNBINDABLE | MS_REC},
                                                         {"", 0}};
  for (const auto& [word, flags] : words)
    cr_expect(linux_of(cat(R"("rootfsPropagation": ")", word, "\"")).root_propagation == flags, "%s", word);
}

Test(oci_config, the_schemata_of_resctrl_are_lines_in_order) {
  const Config config = linux_of(R"("intelRdt": {"closID": "g", "schemata": ["L2:0=f", "MB:1=5"],
      "memBwSchema": "MB:0=10", "l3CacheSchema": "L3:0=f\nMB:0=99\nL3:1=e", "enableMonitoring": true,
      "enableCMT": true})");
  cr_assert(config.intel_rdt.has_value());
  cr_expect(config.intel_rdt->clos_id == "g");
  expect_text(joined(config.intel_rdt->schemata), "L3:0=f L3:1=e MB:0=10 L2:0=f MB:1=5");
  cr_expect(config.intel_rdt->monitoring);
  cr_expect(not(linux_of(R"("intelRdt": {})").intel_rdt->clos_id.has_value()));
}

// --- resources -------------------------------------------------------------------------------------------------------
Test(oci_config, resources_of_memory_and_processors) {
  const auto resources = linux_of(R"("resources": {"memory": {"limit": 1, "reservation": 2, "swap": -1, "kernel": "x",
      "kernelTCP": 1, "swappiness": 60, "disableOOMKiller": true, "useHierarchy": true, "checkBeforeUpdate": true},
      "cpu": {"shares": 3, "quota": -4, "period": 5, "burst": 6, "idle": 1, "realtimeRuntime": 7, "realtimePeriod": 8,
      "cpus": "0-1", "mems": "0"}, "pids": {"limit": 0}})")
                             .resources;
  cr_expect(resources.memory_limit == 1 && resources.memory_reservation == 2 && resources.memory_swap == -1);
  cr_expect(resources.disable_oom_killer && resources.check_before_update);
  cr_expect(resources.cpu_shares == 3U && resources.cpu_quota == -4 && resources.cpu_period == 5U);
  cr_expect(resources.cpu_burst == 6U && resources.cpu_idle == 1);
  cr_expect(resources.realtime_runtime == 7 && resources.realtime_period == 8);
  expect_text(resources.cpus, "0-1");
  expect_text(resources.mems, "0");
  cr_expect(resources.pids_limit == 0);
}

Test(oci_config, no_processes_at_all_is_a_limit_only_since_version_1_3) {
  const auto limit = [](std::string_view version, std::string_view number) {
    return config_of(
               cat(R"({"ociVersion": ")", version, R"(", "linux": {"resources": {"pids": {"limit": )", number, "}}}}"))
        .resources.pids_limit;
  };
  cr_expect(limit("1.3.0", "0") == 0);
  cr_expect(limit("1.2.1", "0") == std::nullopt);
  cr_expect(limit("1.0.2-dev", "0") == std::nullopt);
  cr_expect(limit("1.0.2-dev", "-1") == -1);
  cr_expect(limit("1.0.2-dev", "5") == 5);
}

Test(oci_config, resources_of_disks_and_the_smaller_controllers) {
  const auto resources = linux_of(R"("resources": {"blockIO": {"weight": 10, "leafWeight": 11,
      "weightDevice": [{"major": 8, "minor": 1, "weight": 12}, {"major": 8, "minor": 2}],
      "throttleReadBpsDevice": [{"major": 1, "minor": 2, "rate": 3}],
      "throttleWriteBpsDevice": [{"major": 4, "minor": 5, "rate": 6}],
      "throttleReadIOPSDevice": [{"major": 7, "minor": 8, "rate": 9}],
      "throttleWriteIOPSDevice": [{"major": 10, "minor": 11, "rate": 12}]},
      "hugepageLimits": [{"pageSize": "2MB", "limit": 5}],
      "rdma": {"mlx": {"hcaHandles": 1, "hcaObjects": 2}, "other": {}},
      "unified": {"memory.high": "5", "cpu.weight": "6"}})")
                             .resources;
  cr_expect(resources.io_weight == 10U && resources.io_leaf_weight == 11U);
  cr_assert(resources.io_device_weights.size() == 1);
  cr_expect(resources.io_device_weights[0].major == 8 && resources.io_device_weights[0].minor == 1);
  cr_expect(resources.io_device_weights[0].weight == 12);
  const auto is = [](const std::vector<cgroups::DeviceRate>& rates, int major, int minor, unsigned rate) {
    return rates.size() == 1 && rates[0].major == major && rates[0].minor == minor && rates[0].rate == rate;
  };
  cr_expect(is(resources.read_bps, 1, 2, 3));
  cr_expect(is(resources.write_bps, 4, 5, 6));
  cr_expect(is(resources.read_iops, 7, 8, 9));
  cr_expect(is(resources.write_iops, 10, 11, 12));
  cr_assert(resources.hugepages.size() == 1);
  expect_text(resources.hugepages[0].size, "2MB");
  cr_expect(resources.hugepages[0].limit == 5);
  cr_assert(resources.rdma.size() == 2);
  expect_text(resources.rdma[0].device, "mlx");
  cr_expect(resources.rdma[0].handles == 1U && resources.rdma[0].objects == 2U);
  cr_expect(not(resources.rdma[1].handles || resources.rdma[1].objects));
  expect_text(joined(resources.unified), "cpu.weight=6 memory.high=5");
  cr_expect(not(resources.network));
  cr_expect(linux_of(R"("resources": {"network": {"classID": 0}})").resources.network);
  cr_expect(linux_of(R"("resources": {"network": {"priorities": [{"name": "a", "priority": 1}]}})").resources.network);
  cr_expect(not(linux_of(R"("resources": {"network": {"priorities": []}})").resources.network));
  cr_expect(linux_of(R"("resources": {"blockIO": {"weightDevice": [{"major": 8, "minor": 1, "leafWeight": 9}]}})")
                .resources.io_leaf_weight == 9U);
  expect_text(refused_linux(R"("resources": {"blockIO": {"weight": 65536}})"),
              "linux.resources.blockIO.weight: must be a whole number from 0 to 65535");
}

Test(oci_config, device_rules_leave_out_what_may_be_anything) {
  const auto rules = linux_of(R"("resources": {"devices": [{"allow": false}, {"allow": true, "type": "c", "major": 1,
      "minor": 3, "access": "rm"}, {"allow": true, "type": "b", "major": -1, "access": "w"},
      {"allow": true, "type": "u", "minor": 9}, {"type": "a", "access": "rwm"}]})")
                         .resources.devices;
  const std::vector<cgroups::DeviceRule> expected = {
      {},
      {.allow = true, .type = 'c', .major = 1, .minor = 3, .write = false},
      {.allow = true, .type = 'b', .read = false, .make = false},
      {.allow = true, .type = 'c', .minor = 9},
      {},
  };
  cr_expect(rules == expected);
  const auto bad = [](std::string_view rule) {
    return refused_linux(cat(R"("resources": {"devices": [)", rule, "]}"));
  };
  expect_text(bad(R"({"access": "rx"})"), "linux.resources.devices[0].access: must be of the letters r, w and m");
  expect_text(bad(R"({"access": ""})"), "linux.resources.devices[0].access: must be of the letters r, w and m");
  expect_text(bad(R"({"access": 1})"), "linux.resources.devices[0].access: must be a string");
  expect_text(bad(R"({"type": "p"})"), "linux.resources.devices[0].type: \"p\" is unknown");
  expect_text(bad(R"({"major": -2})"),
              "linux.resources.devices[0].major: must be a whole number from -1 to 4294967295");
}

Test(oci_config, resources_of_an_update_are_a_document_of_their_own) {
  const auto resources = read_resources(R"({"memory": {"limit": 5}, "pids": {"limit": 0}})");
  cr_assert(resources.has_value());
  cr_expect(resources->memory_limit == 5 && resources->pids_limit == 0);
  const auto wrong = read_resources(R"({"cpu": {"shares": -1}})");
  cr_assert(not(wrong.has_value()));
  expect_text(wrong.error().text, "resources.cpu.shares: must be a whole number from 0 to 18446744073709551615");
}

// --- seccomp ---------------------------------------------------------------------------------------------------------
Test(oci_config, a_seccomp_profile_is_in_the_numbers_of_the_kernel) {
  const auto profile = linux_of(R"("seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
      "architectures": ["SCMP_ARCH_X86_64"], "flags": ["SECCOMP_FILTER_FLAG_LOG"], "listenerPath": "/l",
      "listenerMetadata": "m", "syscalls": [{"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
      {"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5, "args": [
       {"index": 1, "value": 18446744073709551615, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}]}]})")
                           .seccomp;
  cr_assert(profile.has_value());
  cr_expect(profile->default_action == (SECCOMP_RET_ERRNO | 38));
  cr_expect(profile->architectures.size() == 1);
  cr_expect(profile->flags == SECCOMP_FILTER_FLAG_LOG);
  expect_text(profile->listener_path, "/l");
  expect_text(profile->listener_metadata, "m");
  cr_assert(profile->rules.size() == 2);
  expect_text(joined(profile->rules[0].names), "read write");
  cr_expect(profile->rules[0].action == SECCOMP_RET_ALLOW);
  cr_expect(profile->rules[1].action == (SECCOMP_RET_ERRNO | 5));
  cr_assert(profile->rules[1].arguments.size() == 1);
  const auto& argument = profile->rules[1].arguments[0];
  cr_expect(argument.index == 1 && argument.value == ~std::uint64_t{0} && argument.value_two == 3);
  cr_expect(argument.compare == security::SeccompArgument::Compare::kMaskedEqual);
}

Test(oci_config, without_a_word_on_flags_the_filter_costs_no_speculation) {
  const auto flags = [](std::string_view member) {
    return linux_of(cat(R"("seccomp": {"defaultAction": "SCMP_ACT_ALLOW")", member, "}")).seccomp->flags;
  };
  cr_expect(flags("") == SECCOMP_FILTER_FLAG_SPEC_ALLOW);
  cr_expect(flags(R"(, "flags": [])") == 0);
}

Test(oci_config, a_seccomp_section_that_says_nothing_is_no_filter) {
  cr_expect(not(linux_of(R"("seccomp": {})").seccomp.has_value()));
  cr_expect(linux_of(R"("seccomp": {"defaultAction": "SCMP_ACT_ALLOW"})").seccomp.has_value());
}

Test(oci_config, what_is_wrong_in_a_seccomp_profile_is_named_by_its_place) {
  const auto starts = [](std::string_view profile, std::string_view wanted) {
    const std::string words = refused_linux(cat(R"("seccomp": )", profile));
    cr_expect(words.starts_with(wanted), "%s", words.c_str());
  };
  starts(R"({"syscalls": []})", "linux.seccomp: `defaultAction` is missing");
  starts(R"({"defaultAction": "X"})", "linux.seccomp.defaultAction: ");
  starts(R"({"defaultAction": 1})", "linux.seccomp.defaultAction: must be a string");
  starts(R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["X"]})", "linux.seccomp.architectures[0]: ");
  starts(R"({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]})", "linux.seccomp.flags[0]: ");
  starts(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ALLOW"}]})",
         "linux.seccomp.syscalls[0]: `names` is empty");
  starts(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"]}]})",
         "linux.seccomp.syscalls[0]: `action` is missing");
  const auto argument = [&](std::string_view text, std::string_view wanted) {
    starts(cat(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_LOG",
               "args": [)",
               text, "]}]}"),
           wanted);
  };
  argument(R"({"index": 6, "op": "SCMP_CMP_EQ"})", "linux.seccomp.syscalls[0].args[0].index: must be a whole number");
  argument(R"({"index": 0, "op": "X"})", "linux.seccomp.syscalls[0].args[0].op: ");
  argument(R"({"index": 0})", "linux.seccomp.syscalls[0].args[0]: `op` is missing");
}

// --- documents of others ---------------------------------------------------------------------------------------------
Test(oci_config, what_podman_writes_is_read_and_keeps_the_rules) {
  const Config config = config_of(golden("podman_config.json"));
  const auto checked = check(config);
  cr_expect(checked.has_value(), "%s", checked ? "" : checked.error().text.c_str());
  expect_text(joined(config.process->args), "/bin/echo hello");
  cr_expect(config.mounts.size() == 10);
  cr_expect(config.mounts[5].bind && config.mounts[5].propagation == MS_PRIVATE);
  cr_expect(config.process->rlimits.size() == 2);
  cr_expect(not(config.resources.pids_limit.has_value()), "without a limit, not without processes");
  cr_expect(config.seccomp->rules.size() > 10);
  cr_expect(config.seccomp->architectures.size() == 3);
  cr_expect(config.annotation("io.container.manager") != nullptr);
  cr_expect(not(config.has_own(Kind::kUser)));
}

Test(oci_config, what_crun_writes_is_read_and_keeps_the_rules) {
  const Config config = config_of(golden("crun_config.json"));
  const auto checked = check(config);
  cr_expect(checked.has_value(), "%s", checked ? "" : checked.error().text.c_str());
  cr_expect(config.process->terminal);
  cr_expect(config.process->no_new_privileges == true);
  expect_text(config.hostname, "crun");
}
