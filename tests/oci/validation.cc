// What is refused before anything is made: each rule, and that nothing was touched; sysctls and labels beside it.
#include <unistd.h>

#include "tests/oci/support/container.h"

using namespace convox::test;

namespace {

struct Sysctl : Container {
  Sysctl(const std::string& key, const std::string& value) {
    set("/linux/sysctl", cat("{", quoted(key), ":", quoted(value), "}"));
  }
};

struct Wrong {
  const char* what;     // of the message
  const char* pointer;  // where in the config
  const char* json;     // what is put there
};

void expect_refused(const Wrong& wrong) {
  Container box;
  box.set(wrong.pointer, wrong.json);
  const Ran ran = box.create();
  const std::string report = not_refused(ran, wrong.what);
  cr_expect(report.empty(), "%s = %s: %s", wrong.pointer, wrong.json, report.c_str());
  const std::string left = box.leftovers();
  cr_expect(left.empty(), "%s = %s leaves:\n%s", wrong.pointer, wrong.json, left.c_str());
  cr_expect(exists(box.rootfs() + "/dev/null") == false, "%s = %s: something was mounted or made", wrong.pointer,
            wrong.json);
}

}  // namespace

Test(validation, unknown_keys_are_ignored) {
  REQUIRE_CONTAINERS();
  Container box;
  for (const char* pointer :
       {"/x-unknown", "/process/x-unknown", "/linux/x-unknown", "/root/x-unknown", "/mounts/0/x-unknown"})
    box.set(pointer, R"({"deep":[1,2,{"deeper":null}]})");
  box.sh("exit 4");
  EXPECT_STATUS(box.run(), 4);
}

Test(validation, other_operating_systems_parts_are_ignored) {
  REQUIRE_CONTAINERS();
  Container box;
  box.set("/windows", R"({"layerFolders":["C:\\x"]})");
  box.set("/solaris", R"({"milestone":"x"})");
  box.sh("exit 4");
  EXPECT_STATUS(box.run(), 4);
}

Test(validation, a_version_of_1_is_taken_and_another_is_not) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "of this version does not look at it");
  LIMITATION(Crun, "takes 1.0 alone");
  for (const char* version : {"1.0.0", "1.0.2-dev", "1.2.0", "1.3.0", "1.9.0+dev"}) {
    Container box;
    box.set("/ociVersion", quoted(version));
    box.sh("exit 4");
    EXPECT_STATUS(box.run(), 4);
  }
  for (const char* version : {"0.9.0", "2.0.0", "", "1", "one"})
    expect_refused({"ociVersion", "/ociVersion", quoted(version).c_str()});
}

Test(validation, a_wrong_type_is_refused_with_its_place) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "say it in words of their JSON libraries, or not at all");
  for (const Wrong& wrong :
       {Wrong{"process.args", "/process/args", R"("true")"}, Wrong{"process.user.uid", "/process/user/uid", R"("0")"},
        Wrong{"process.terminal", "/process/terminal", "1"}, Wrong{"process.env", "/process/env", R"({"A":"B"})"},
        Wrong{"root.path", "/root/path", "5"}, Wrong{"mounts", "/mounts", "{}"},
        Wrong{"mounts", "/mounts/0/options", R"("ro")"}, Wrong{"linux.namespaces", "/linux/namespaces", "5"},
        Wrong{"linux.resources.memory.limit", "/linux/resources", R"({"memory":{"limit":"1g"}})"},
        Wrong{"linux.maskedPaths", "/linux/maskedPaths", R"("/proc/keys")"},
        Wrong{"hooks.prestart", "/hooks", R"({"prestart":{}})"}, Wrong{"hostname", "/hostname", "5"},
        Wrong{"annotations", "/annotations", R"({"a":5})"}})
    expect_refused(wrong);
}

Test(validation, numbers_out_of_their_range_are_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "cut some of them down");
  for (const Wrong& wrong :
       {Wrong{"uid", "/process/user/uid", "-1"}, Wrong{"uid", "/process/user/uid", "4294967296"},
        Wrong{"gid", "/process/user/gid", "99999999999999999999"}, Wrong{"umask", "/process/user/umask", "4096"},
        Wrong{"oomScoreAdj", "/process/oomScoreAdj", "1001"}, Wrong{"oomScoreAdj", "/process/oomScoreAdj", "-1001"}})
    expect_refused(wrong);
}

Test(validation, a_nul_in_a_string_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "cut the string there, or pass it on");
  for (const Wrong& wrong :
       {Wrong{"process.args", "/process/args/0", R"("/bin/true\u0000x")"},
        Wrong{"process.env", "/process/env/-", R"("A=\u0000")"},
        Wrong{"process.cwd", "/process/cwd", R"("/\u0000tmp")"}, Wrong{"hostname", "/hostname", R"("a\u0000b")"},
        Wrong{"linux.cgroupsPath", "/linux/cgroupsPath", R"("/a\u0000b")"},
        Wrong{"mounts", "/mounts/0/destination", R"("/proc\u0000x")"},
        Wrong{"root.path", "/root/path", R"("rootfs\u0000x")"}})
    expect_refused(wrong);
}

Test(validation, what_the_specification_demands_must_be_there) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions do without some of it");
  for (const char* pointer : {"/ociVersion", "/root/path", "/root", "/process/cwd", "/process/args",
                              "/mounts/0/destination", "/linux/namespaces/0/type"}) {
    Container box;
    box.erase(pointer);
    const Ran ran = box.create();
    cr_expect(ran.status == 1, "without %s: %d %s", pointer, ran.status, ran.err.c_str());
    EXPECT_NOTHING_LEFT(box);
  }
}

Test(validation, rules_between_members_are_refused_before_anything_is_made) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions lack most of these");
  for (const Wrong& wrong :
       {Wrong{"netDevices", "/linux/netDevices", R"({"eth0":{"name":"a/b"}})"},
        Wrong{"netDevices", "/linux/netDevices", R"({"eth0":{"name":"a-name-that-is-too-long"}})"},
        Wrong{"memoryPolicy", "/linux/memoryPolicy", R"({"mode":"MPOL_NOSUCH"})"},
        Wrong{"memoryPolicy", "/linux/memoryPolicy", R"({"mode":"MPOL_BIND"})"},
        Wrong{"scheduler", "/process/scheduler", R"({"policy":"SCHED_NOSUCH"})"},
        Wrong{"ioPriority", "/process/ioPriority", R"({"class":"IOPRIO_CLASS_NOSUCH","priority":0})"},
        Wrong{"sysctl", "/linux/sysctl", R"({"kernel.hostname":"x"})"},
        Wrong{"timeOffsets", "/linux/timeOffsets", R"({"nosuch":{"secs":1}})"},
        Wrong{"rdma", "/linux/resources", R"({"rdma":{"mlx5_1":{"hcaHandles":-1}}})"},
        Wrong{"cwd", "/process/cwd", R"("relative")"},
        Wrong{"type", "/linux/devices", R"([{"path":"/dev/x","type":"z","major":1,"minor":1}])"},
        Wrong{"access", "/linux/resources", R"({"devices":[{"allow":true,"access":"xyz"}]})"}})
    expect_refused(wrong);
}

Test(validation, a_profile_of_a_security_module_that_is_off_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "ignore some of it");
  if (exists("/sys/kernel/security/apparmor")) cr_skip("needs a kernel without AppArmor");
  expect_refused({"apparmor", "/process/apparmorProfile", R"("some-profile")"});
  if (exists("/sys/fs/selinux/enforce")) return;
  expect_refused({"selinux", "/process/selinuxLabel", R"("system_u:system_r:container_t:s0")"});
  expect_refused({"selinux", "/linux/mountLabel", R"("system_u:object_r:container_file_t:s0")"});
}

Test(validation, a_huge_or_deep_config_is_refused_and_hangs_nobody) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions parse it all");
  Container box;
  box.set_config(std::string(200'000, '[') + std::string(200'000, ']'));
  EXPECT_STATUS(box.create(), 1);
  box.set_config(std::string(64U << 20, ' '));
  EXPECT_STATUS(box.create(), 1);
}

Test(validation, a_large_config_works) {
  REQUIRE_CONTAINERS();
  Container box;
  for (int number = 0; number < 20; ++number)
    box.set(cat("/annotations/key-", number), quoted(std::string(2'000, 'x')));
  std::string env = "\"PATH=/bin\"";
  for (int number = 0; number < 500; ++number) env += cat(",\"VARIABLE_", number, "=", std::string(100, 'v'), "\"");
  box.set("/process/env", cat("[", env, "]"));
  box.sh("env | grep -c VARIABLE_");
  EXPECT_TEXT(box.run().out, "500\n");
}

Test(sysctl, of_a_private_namespace_is_written) {
  REQUIRE_CONTAINERS();
  const char* const cases[][3] = {{"net.ipv4.ip_default_ttl", "77", "/proc/sys/net/ipv4/ip_default_ttl"},
                                  {"kernel.shm_rmid_forced", "1", "/proc/sys/kernel/shm_rmid_forced"},
                                  {"kernel.msgmax", "4096", "/proc/sys/kernel/msgmax"},
                                  {"fs.mqueue.msg_max", "17", "/proc/sys/fs/mqueue/msg_max"}};
  for (const auto& [key, value, path] : cases) {
    Sysctl box(key, value);
    const std::string before = read_file(path);
    box.sh(cat("cat ", path));
    EXPECT_TEXT(box.run().out, cat(value, "\n"));
    EXPECT_TEXT(read_file(path), before);
  }
}

Test(sysctl, slashes_and_dots_may_change_places) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "of this version knows dots only");
  Sysctl box("net/ipv4/ip_default_ttl", "78");
  box.sh("cat /proc/sys/net/ipv4/ip_default_ttl");
  EXPECT_TEXT(box.run().out, "78\n");
}

Test(sysctl, of_the_whole_machine_is_refused) {
  REQUIRE_CONTAINERS();
  for (const char* key :
       {"kernel.core_pattern", "vm.swappiness", "kernel.sysrq", "fs.file-max", "kernel.hostname", "nosuch.key"}) {
    Sysctl box(key, "1");
    const std::string report = not_refused(box.create(), key);
    cr_expect(report.empty(), "%s: %s", key, report.c_str());
    if (judged() != Crun) EXPECT_NOTHING_LEFT(box);
  }
}

Test(sysctl, of_a_namespace_that_is_shared_is_refused) {
  REQUIRE_CONTAINERS();
  const std::string before = read_file("/proc/sys/net/ipv4/ip_default_ttl");
  Sysctl box("net.ipv4.ip_default_ttl", "79");
  box.namespace_of("network");
  EXPECT_REFUSED(box.create(), "net.ipv4.ip_default_ttl");
  EXPECT_TEXT(read_file("/proc/sys/net/ipv4/ip_default_ttl"), before);
  Sysctl ipc("kernel.msgmax", "4097");
  ipc.namespace_of("ipc");
  EXPECT_REFUSED(ipc.create(), "kernel.msgmax");
}

Test(sysctl, of_a_namespace_that_is_joined_from_the_host_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "does not compare the namespaces");
  const std::string before = read_file("/proc/sys/net/ipv4/ip_default_ttl");
  Sysctl box("net.ipv4.ip_default_ttl", "79");
  box.namespace_of("network", "/proc/self/ns/net");
  EXPECT_REFUSED(box.create(), "net.ipv4.ip_default_ttl");
  EXPECT_TEXT(read_file("/proc/sys/net/ipv4/ip_default_ttl"), before);
}

Test(sysctl, a_key_with_dots_that_lead_out_is_refused) {
  REQUIRE_CONTAINERS();
  for (const char* key : {"net/../kernel/msgmax", "net.ipv4.../../../kernel/core_pattern", "net/../../sysrq-trigger"}) {
    Sysctl box(key, "1");
    cr_expect(box.create().status != 0, "%s", key);
  }
}
