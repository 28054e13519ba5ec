// Is each rule of a configuration kept, in both directions: what breaks it is refused, what is beside it is not?
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "tests/unit/oci_documents.h"

using namespace convox;
using namespace convox::oci;

namespace {

std::string checked(std::string_view text, std::source_location at = std::source_location::current()) {
  const auto result = check(config_of(text, at));
  return result ? "good" : result.error().text;
}
std::string checked_linux(std::string_view members, std::source_location at = std::source_location::current()) {
  return checked(document(members), at);
}
std::string checked_more(std::string_view members, std::source_location at = std::source_location::current()) {
  return checked(document("", members), at);
}
// Of a process, in a configuration and alone.
std::string checked_process(std::string_view text, std::source_location at = std::source_location::current()) {
  const auto alone = check(process_of(text, at));
  const std::string words = checked(document("", "", text), at);
  expect_text(alone ? "good" : alone.error().text, words, at);
  return words;
}
std::string with_process(std::string_view members) { return cat(R"({"args": ["a"], "cwd": "/", )", members, "}"); }
std::string mounts(std::string_view list) { return checked_more(cat(R"("mounts": [)", list, "]")); }
std::string without_namespaces(std::string_view linux_members, std::string_view more = "") {
  return checked(document(cat(R"("namespaces": [], )", linux_members.empty() ? R"("x": 1)" : linux_members), more));
}

constexpr std::string_view kNewUser =
    R"("namespaces": [{"type": "user"}, {"type": "mount"}], "uidMappings": [{"size": 1}], "gidMappings": [{"size": 1}])";

}  // namespace

Test(oci_check, a_plain_configuration_is_good) {
  expect_text(checked(document()), "good");
  expect_text(checked(R"({"ociVersion": "1.0.0", "root": {"path": "r"}})"), "good");  // no process
}

Test(oci_check, the_version_is_one_dot_something) {
  const auto version = [](std::string_view text) {
    return checked(cat(R"({"ociVersion": ")", text, R"(", "root": {"path": "r"}})"));
  };
  for (const std::string_view good : {"1.0.0", "1.3.0", "1.0.2-dev", "1.10.12", "1.2.0-rc.1", "1.0.0+build"})
    expect_text(version(good), "good");
  for (const std::string_view bad : {"", "1", "1.0", "2.0.0", "0.9.0", "1.a.0", "1.0.x", "v1.0.0", "1.0.", "10.0.0"})
    expect_text(version(bad), cat("ociVersion: \"", bad, "\" is not a version 1 of the specification"));
}

Test(oci_check, there_is_a_root) { expect_text(checked(R"({"ociVersion": "1.0.0"})"), "root.path: must not be empty"); }

Test(oci_check, a_process_has_arguments_and_an_absolute_directory) {
  expect_text(checked_process(R"({"cwd": "/"})"), "process.args: must not be empty");
  expect_text(checked_process(R"({"args": [], "cwd": "/"})"), "process.args: must not be empty");
  expect_text(checked_process(R"({"args": ["a"]})"), "process.cwd: must be absolute");
  expect_text(checked_process(R"({"args": ["a"], "cwd": "tmp"})"), "process.cwd: must be absolute");
  expect_text(checked_process(R"({"args": ["a"], "cwd": ""})"), "process.cwd: must be absolute");
  expect_text(checked_process(R"({"args": ["a"], "cwd": "/tmp"})"), "good");
}

Test(oci_check, a_limit_is_given_once) {
  expect_text(checked_process(with_process(R"("rlimits": [{"type": "RLIMIT_CPU"}, {"type": "RLIMIT_CORE"},
      {"type": "RLIMIT_CPU"}])")),
              "process.rlimits[2]: RLIMIT_CPU is given twice");
  expect_text(checked_process(with_process(R"("rlimits": [{"type": "RLIMIT_CPU"}, {"type": "RLIMIT_CORE"}])")), "good");
}

Test(oci_check, a_soft_limit_is_not_above_its_hard_one) {
  expect_text(checked_process(with_process(R"("rlimits": [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}])")),
              "process.rlimits[0]: RLIMIT_CPU: the soft limit is above the hard one");
  expect_text(checked_process(with_process(R"("rlimits": [{"type": "RLIMIT_CPU", "soft": 2, "hard": 2}])")), "good");
}

Test(oci_check, each_scheduling_policy_has_its_own_fields) {
  const auto scheduler = [](std::string_view text) {
    return checked_process(with_process(cat(R"("scheduler": {"policy": "SCHED_)", text, "}")));
  };
  expect_text(scheduler(R"(OTHER", "nice": 19)"), "good");
  expect_text(scheduler(R"(OTHER", "nice": 20)"), "process.scheduler.nice: must be from -20 to 19");
  expect_text(scheduler(R"(BATCH", "nice": -21)"), "process.scheduler.nice: must be from -20 to 19");
  expect_text(scheduler(R"(FIFO", "priority": 1)"), "good");
  expect_text(scheduler(R"(RR", "priority": 1)"), "good");
  expect_text(scheduler(R"(OTHER", "priority": 1)"),
              "process.scheduler.priority: only SCHED_FIFO and SCHED_RR have one");
  expect_text(scheduler(R"(DEADLINE", "runtime": 1, "deadline": 2, "period": 3)"), "good");
  for (const std::string_view field : {"runtime", "deadline", "period"})
    expect_text(scheduler(cat(R"(RR", ")", field, R"(": 1)")),
                "process.scheduler.runtime, deadline and period: only SCHED_DEADLINE has them");
}

Test(oci_check, an_affinity_is_a_list_of_processors) {
  const auto affinity = [](std::string_view list) {
    return checked_process(with_process(cat(R"("execCPUAffinity": {"initial": ")", list, "\"}")));
  };
  for (const std::string_view good : {"0", "0-3", "0-3,7", "1,2,3", ""}) expect_text(affinity(good), "good");
  for (const std::string_view bad : {"a", "3-1", "0,", "-1", "0--1", "0-", ",", "1;2", "0,,1"})
    expect_text(affinity(bad), "process.execCPUAffinity.initial: must be a list as `0-3,7`");
  expect_text(checked_process(with_process(R"("execCPUAffinity": {"final": "x"})")),
              "process.execCPUAffinity.final: must be a list as `0-3,7`");
}

Test(oci_check, a_type_of_namespace_is_given_once_and_joined_by_an_absolute_path) {
  expect_text(checked_linux(R"("namespaces": [{"type": "pid"}, {"type": "ipc"}, {"type": "pid", "path": "/p"}])"),
              "linux.namespaces[2]: the type pid is given twice");
  expect_text(checked_linux(R"("namespaces": [{"type": "pid", "path": "proc/1/ns/pid"}])"),
              "linux.namespaces[0].path: must be absolute");
  expect_text(checked_linux(R"("namespaces": [{"type": "pid", "path": "/proc/1/ns/pid"}])"), "good");
}

Test(oci_check, a_new_user_namespace_needs_both_mappings) {
  expect_text(checked_linux(kNewUser), "good");
  const std::string wrong = "linux.namespaces: a new user namespace needs uidMappings and gidMappings";
  expect_text(checked_linux(R"("namespaces": [{"type": "user"}])"), wrong);
  expect_text(checked_linux(R"("namespaces": [{"type": "user"}], "uidMappings": [{"size": 1}])"), wrong);
  expect_text(checked_linux(R"("namespaces": [{"type": "user"}], "gidMappings": [{"size": 1}])"), wrong);
  expect_text(checked_linux(R"("namespaces": [{"type": "user", "path": "/u"}])"), "good");
}

Test(oci_check, mappings_need_a_user_namespace) {
  expect_text(checked_linux(R"("uidMappings": [{"size": 1}])"), "linux.uidMappings: needs a user namespace");
  expect_text(checked_linux(R"("gidMappings": [{"size": 1}])"), "linux.gidMappings: needs a user namespace");
  // Engines repeat those of the namespace that is joined.
  expect_text(checked_linux(R"("namespaces": [{"type": "user", "path": "/u"}],
      "uidMappings": [{"hostID": 5, "size": 9}], "gidMappings": [{"hostID": 5, "size": 9}])"),
              "good");
}

Test(oci_check, a_hostname_needs_a_namespace_for_it) {
  expect_text(checked_more(R"("hostname": "h", "domainname": "d")"), "good");
  expect_text(without_namespaces("", R"("hostname": "h")"), "hostname: needs a UTS namespace");
  expect_text(without_namespaces("", R"("domainname": "d")"), "domainname: needs a UTS namespace");
  expect_text(checked(document(R"("namespaces": [{"type": "uts", "path": "/u"}])", R"("hostname": "h")")), "good");
}

Test(oci_check, clocks_are_moved_only_in_a_new_time_namespace) {
  expect_text(checked_linux(R"("timeOffsets": {"monotonic": {"secs": 1, "nanosecs": 999999999}})"), "good");
  expect_text(without_namespaces(R"("timeOffsets": {"monotonic": {"secs": 1}})"),
              "linux.timeOffsets: needs a new time namespace");
  expect_text(checked_linux(R"("namespaces": [{"type": "time", "path": "/t"}], "timeOffsets": {"boottime": {}})"),
              "linux.timeOffsets: needs a new time namespace");
  for (const std::string_view clock : {"monotonic", "boottime"})
    expect_text(checked_linux(cat(R"("timeOffsets": {")", clock, R"(": {"nanosecs": 1000000000}})")),
                "linux.timeOffsets: nanosecs must be less than a second");
}

// --- sysctl ----------------------------------------------------------------------------------------------------------
Test(oci_check, settings_of_a_namespace_need_that_namespace) {
  struct Row {
    std::string_view key, type;
  };
  const Row rows[] = {{"kernel.msgmax", "ipc"},     {"kernel.msgmnb", "ipc"},
                      {"kernel.msgmni", "ipc"},     {"kernel.sem", "ipc"},
                      {"kernel.shmall", "ipc"},     {"kernel.shmmax", "ipc"},
                      {"kernel.shmmni", "ipc"},     {"kernel.shm_rmid_forced", "ipc"},
                      {"fs.mqueue.msg_max", "ipc"}, {"net.ipv4.ip_forward", "network"},
                      {"kernel.domainname", "uts"}};
  for (const auto& [key, type] : rows) {
    const std::string sysctl = cat(R"("sysctl": {")", key, R"(": "1"})");
    expect_text(without_namespaces(sysctl), cat("linux.sysctl.", key, ": needs a namespace of the type ", type));
    expect_text(checked_linux(cat(R"("namespaces": [{"type": ")", type, R"("}], )", sysctl)), "good");
  }
  expect_text(checked_linux(R"("sysctl": {"user.max_user_namespaces": "1"})"),
              "linux.sysctl.user.max_user_namespaces: needs a namespace of the type user");
  expect_text(checked_linux(cat(kNewUser, R"(, "sysctl": {"user.max_user_namespaces": "1"})")), "good");
}

Test(oci_check, settings_of_the_host_are_refused) {
  for (const std::string_view key : {"kernel.core_pattern", "vm.swappiness", "fs.file-max", "kernel.msg", "kernel",
                                     "kernel.semaphores", "fs.mqueue", "dev.x", "net", "netx.a"})
    expect_text(checked_linux(cat(R"("sysctl": {")", key, R"(": "1"})")), cat("linux.sysctl.", key, ": is the host's"));
  expect_text(checked_linux(R"("sysctl": {"kernel.hostname": "h"})"),
              "linux.sysctl.kernel.hostname: is what `hostname` is for");
}

Test(oci_check, settings_may_be_written_with_slashes_which_lead_nowhere_else) {
  expect_text(checked_linux(R"("sysctl": {"net/ipv4/conf/eth0.1/forwarding": "1"})"), "good");
  expect_text(checked_linux(R"("sysctl": {"net.ipv4.conf.eth0/1.forwarding": "1"})"), "good");
  expect_text(checked_linux(R"("sysctl": {"kernel/core_pattern": "x"})"),
              "linux.sysctl.kernel.core_pattern: is the host's");
  for (const std::string_view bad : {"net/../kernel/core_pattern", "net//x", "net/x/", "net.//.kernel.core_pattern",
                                     "net.", "", "net..x", "/net/x", "net/./x"}) {
    const std::string words = checked_linux(cat(R"("sysctl": {")", bad, R"(": "1"})"));
    cr_expect(words.ends_with("is not the name of a setting"), "%s: %s", std::string(bad).c_str(), words.c_str());
  }
}

// --- mounts and devices ----------------------------------------------------------------------------------------------
Test(oci_check, a_mount_has_a_destination_and_something_to_mount) {
  expect_text(mounts(R"({"destination": "/a", "type": "tmpfs"}, {"type": "tmpfs"})"),
              "mounts[1].destination: must not be empty");
  expect_text(mounts(R"({"destination": "/a"})"), "mounts[0].type: only a bind mount needs none");
  expect_text(mounts(R"({"destination": "/a", "options": ["bind"]})"), "mounts[0].source: a bind mount needs one");
  expect_text(mounts(R"({"destination": "/a", "source": "b", "options": ["bind", "ro", "sync"]})"),
              "mounts[0].options: \"sync\" is for a file system, and a bind mount makes none");
  expect_text(mounts(R"({"destination": "/a", "source": "b", "options": ["bind", "ro"]})"), "good");
}

Test(oci_check, a_bind_mount_has_no_options_of_a_file_system) {
  expect_text(mounts(R"({"destination": "/a", "source": "/b", "options": ["rbind", "mode=755"]})"),
              "mounts[0].options: \"mode=755\" is for a file system, and a bind mount makes none");
  expect_text(mounts(R"({"destination": "/a", "type": "bind", "source": "/b", "options": ["mode=755"]})"),
              "mounts[0].options: \"mode=755\" is for a file system, and a bind mount makes none");
  expect_text(mounts(R"({"destination": "/a", "type": "tmpfs", "options": ["mode=755", "tmpcopyup"]})"), "good");
  expect_text(mounts(R"({"destination": "/a", "type": "proc", "options": ["tmpcopyup"]})"),
              "mounts[0].options: tmpcopyup is for a tmpfs");
}

Test(oci_check, mappings_of_a_mount_are_a_pair_or_the_containers) {
  constexpr std::string_view mount = R"({"destination": "/a", "source": "/b", "options": ["bind", "idmap"])";
  expect_text(mounts(cat(mount, R"(, "uidMappings": [{"size": 1}], "gidMappings": [{"size": 1}]})")), "good");
  expect_text(mounts(cat(mount, R"(, "uidMappings": [{"size": 1}]})")),
              "mounts[0].uidMappings and gidMappings: must be given together");
  expect_text(mounts(cat(mount, R"(, "gidMappings": [{"size": 1}]})")),
              "mounts[0].uidMappings and gidMappings: must be given together");
  expect_text(mounts(cat(mount, "}")),
              "mounts[0].options: without mappings idmap needs a user namespace of the container");
  expect_text(checked(document(kNewUser, cat(R"("mounts": [)", mount, "}]"))), "good");
}

Test(oci_check, paths_are_masked_only_in_a_mount_namespace) {
  for (const std::string_view member : {"maskedPaths", "readonlyPaths"}) {
    expect_text(checked_linux(cat("\"", member, R"(": ["/proc/kcore"])")), "good");
    expect_text(without_namespaces(cat("\"", member, R"(": ["/proc/kcore"])")),
                cat("linux.", member, ": needs a mount namespace"));
    expect_text(checked_linux(cat("\"", member, R"(": ["/a", "b"])")),
                cat("linux.", member, ": \"b\" must be absolute"));
    expect_text(without_namespaces(cat("\"", member, R"(": [])")), "good");
  }
}

Test(oci_check, a_path_is_of_one_device) {
  const auto devices = [](std::string_view second) {
    return checked_linux(cat(R"("devices": [{"path": "/dev/a", "type": "c", "major": 1, "minor": 2}, )", second, "]"));
  };
  expect_text(devices(R"({"path": "/dev/b", "type": "c", "major": 1, "minor": 2})"), "good");
  expect_text(devices(R"({"path": "/dev/a", "type": "c", "major": 1, "minor": 2})"), "good");
  const std::string wrong = "linux.devices[1].path: another device has this one";
  expect_text(devices(R"({"path": "/dev/a", "type": "c", "major": 1, "minor": 3})"), wrong);
  expect_text(devices(R"({"path": "/dev/a", "type": "b", "major": 1, "minor": 2})"), wrong);
  expect_text(devices(R"({"path": "/dev/a", "type": "p"})"), wrong);
  for (const std::string_view bad : {"dev/x", "", "/dev/../etc/x"})
    expect_text(devices(cat(R"({"type": "p", "path": ")", bad, "\"}")),
                "linux.devices[1].path: must be absolute, without `..`");
}

// --- the rest --------------------------------------------------------------------------------------------------------
Test(oci_check, a_cgroup_is_not_above_where_it_belongs) {
  for (const std::string_view good : {"", "/a/b", "a", "system.slice:convox:x", "/a..b", "/.../a"})
    expect_text(checked_linux(cat(R"("cgroupsPath": ")", good, "\"")), "good");
  for (const std::string_view bad : {"..", "/a/../b", "../a", "/a/.."})
    expect_text(checked_linux(cat(R"("cgroupsPath": ")", bad, "\"")), "linux.cgroupsPath: must not contain `..`");
  expect_text(checked_linux(R"("resources": {"unified": {"memory.high": "1"}})"), "good");
  expect_text(checked_linux(R"("resources": {"unified": {"../memory.high": "1"}})"),
              "linux.resources.unified.../memory.high: must be the name of a file");
}

Test(oci_check, a_memory_policy_has_the_nodes_that_its_mode_takes) {
  const auto policy = [](std::string_view mode, std::string_view nodes, std::string_view flags = "") {
    return checked_linux(
        cat(R"("memoryPolicy": {"mode": "MPOL_)", mode, R"(", "nodes": ")", nodes, R"(", "flags": [)", flags, "]}"));
  };
  for (const std::string_view mode : {"DEFAULT", "LOCAL"}) {
    expect_text(policy(mode, ""), "good");
    expect_text(policy(mode, "0"), "linux.memoryPolicy.nodes: MPOL_DEFAULT and MPOL_LOCAL take none");
    expect_text(policy(mode, "", R"("MPOL_F_STATIC_NODES")"),
                "linux.memoryPolicy.flags: MPOL_DEFAULT and MPOL_LOCAL take none");
  }
  for (const std::string_view mode : {"BIND", "INTERLEAVE", "WEIGHTED_INTERLEAVE", "PREFERRED_MANY"}) {
    expect_text(policy(mode, "0-1", R"("MPOL_F_STATIC_NODES")"), "good");
    expect_text(policy(mode, ""), "linux.memoryPolicy.nodes: this mode needs some");
  }
  expect_text(policy("PREFERRED", ""), "good");
  expect_text(policy("BIND", "x"), "linux.memoryPolicy.nodes: must be a list as `0-3,7`");
}

Test(oci_check, a_group_of_resctrl_has_a_name_and_lines) {
  const auto rdt = [](std::string_view members) { return checked_linux(cat(R"("intelRdt": {)", members, "}")); };
  for (const std::string_view good : {"g", "/", "a.b", "..."})
    expect_text(rdt(cat(R"("closID": ")", good, "\"")), "good");
  for (const std::string_view bad : {"", ".", "..", "a/b", "/a", "a\\nb"})
    expect_text(rdt(cat(R"("closID": ")", bad, "\"")), "linux.intelRdt.closID: must be the name of a group, or `/`");
  expect_text(rdt(R"("schemata": ["L3:0=f"])"), "good");
  expect_text(rdt(R"("schemata": ["L3:0=f\nMB:0=1"])"), "linux.intelRdt.schemata: must be one line each");
  expect_text(rdt(R"("schemata": [""])"), "linux.intelRdt.schemata: must be one line each");
}

Test(oci_check, network_devices_move_under_names_that_the_kernel_takes) {
  const auto devices = [](std::string_view members) { return checked_linux(cat(R"("netDevices": {)", members, "}")); };
  expect_text(devices(R"("eth1": {}, "eth2": {"name": "abcdefghijklmno"}, "eth3": {"name": "lan%d"}, "eth4": {"name":
      "lan%d"})"),
              "good");
  for (const std::string_view bad : {"abcdefghijklmnop", "a/b", "a:b", "a b", ".", "..", "a\\tb"})
    expect_text(devices(cat(R"("eth1": {"name": ")", bad, "\"}")),
                "linux.netDevices.eth1.name: is not the name of a device");
  expect_text(devices(R"("a/b": {"name": "c"})"), "linux.netDevices.a/b: is not the name of a device");
  expect_text(devices(R"("eth1": {"name": "a"}, "eth2": {"name": "a"})"),
              "linux.netDevices.eth2.name: another device has this one");
  expect_text(without_namespaces(R"("netDevices": {"eth1": {}})"), "linux.netDevices: needs a network namespace");
}

Test(oci_check, a_hook_is_named_by_an_absolute_path) {
  for (const std::string_view kind :
       {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}) {
    expect_text(checked_more(cat(R"("hooks": {")", kind, R"(": [{"path": "/a"}, {"path": "b"}]})")),
                cat("hooks.", kind, "[1].path: must be absolute"));
    expect_text(checked_more(cat(R"("hooks": {")", kind, R"(": [{"path": "/a"}]})")), "good");
  }
}

Test(oci_check, annotations_have_names_and_do_not_ask_for_cgroup_v1) {
  expect_text(checked_more(R"("annotations": {"": "x"})"), "annotations: a key is empty");
  expect_text(checked_more(R"("annotations": {"run.oci.systemd.force_cgroup_v1": "/sys/fs/cgroup/systemd"})"),
              "annotations.run.oci.systemd.force_cgroup_v1: there is no cgroup v1 here");
  expect_text(checked_more(R"("annotations": {"a": ""})"), "good");
}

Test(oci_check, the_first_rule_in_a_fixed_order_is_the_one_that_is_told) {
  expect_text(checked(document(R"("namespaces": [], "cgroupsPath": "..", "maskedPaths": ["/a"])",
                               R"("hostname": "h", "hooks": {"poststop": [{"path": "x"}]})", "{}")),
              "process.args: must not be empty");
}
