// linux.resources: which file of the cgroup gets which value, what update changes, and what is refused.
// Most of it needs every cgroup controller; the device rules and the path need none.
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/oci/support/container.h"

using namespace convox::test;

namespace {

struct Limited : Container {
  explicit Limited(const std::string& resources = {}) {
    if (!resources.empty()) set("/linux/resources", resources);
    sh("sleep 1000");
  }
};

bool is_new() { return is_convox(); }  // what runtime-spec 1.1 and later changed

// A container that may do everything to /dev/kmsg, 1:11, but for the device rules: no default allows it. Opening it is
// all that is done.
struct Kmsg : Container {
  explicit Kmsg(const std::string& resources = {}) {
    if (!resources.empty()) set("/linux/resources", resources);
    for (const char* name : {"bounding", "permitted", "effective"})
      set(cat("/process/capabilities/", name, "/-"), quoted("CAP_SYSLOG"));
    sh("mknod /dev/kmsg c 1 11; { true </dev/kmsg; } 2>/dev/null && echo read; { true >/dev/kmsg; } 2>/dev/null && "
       "echo written; "
       "true </dev/zero && echo zero");
  }
};

// The rules that engines send: nothing but what follows.
std::string devices(const std::string& rules) {
  return cat(R"({"devices":[{"allow":false,"access":"rwm"})", rules.empty() ? "" : ",", rules, "]}");
}

}  // namespace

#define REQUIRE_DEVICE_FILTER()                                                                   \
  do {                                                                                            \
    if (judged() == Crun && !::convox::test::missing(CgroupControllers).empty())                  \
      cr_skip("crun: raises RLIMIT_MEMLOCK for its device filter, which takes CAP_SYS_RESOURCE"); \
  } while (false)

Test(cgroup, is_the_path_of_the_config) {
  REQUIRE_CONTAINERS();
  Limited box;
  box.set("/linux/cgroupsPath", quoted(cat("/", box.id(), "/deeper/still")));
  box.create();
  EXPECT_CONTAINS(box.limit("deeper/still/cgroup.procs"), cat(box.pid()));
  box.call({"delete", "--force", box.id()});
  EXPECT_TEXT(box.limit("deeper/still/cgroup.procs"), "absent");
}

Test(cgroup, a_path_with_dots_does_not_lead_out) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "takes it as it is");
  Limited box;
  box.set("/linux/cgroupsPath", quoted(cat("/../../../", box.id())));
  const Ran ran = box.create();
  if (ran.status == 0) EXPECT_CONTAINS(box.limit("cgroup.procs"), cat(box.pid()));
}

Test(cgroup, a_container_without_a_path_has_a_group_of_its_own) {
  REQUIRE_CONTAINERS();
  Limited box;
  box.erase("/linux/cgroupsPath");
  box.create();
  const std::string group = read_file(cat("/proc/", box.pid(), "/cgroup"));
  EXPECT_CONTAINS(group, box.id());
  box.call({"delete", "--force", box.id()});
  EXPECT_NOTHING_LEFT(box);
}

Test(devices, the_default_ones_are_allowed_and_others_are_not) {
  REQUIRE_CONTAINERS();
  REQUIRE_DEVICE_FILTER();
  Kmsg box(devices(""));
  EXPECT_TEXT(box.run().out, "zero\n");
  box.sh("for device in null zero full random urandom ptmx; do true </dev/$device || echo $device refused; done");
  EXPECT_TEXT(box.run().out, "");
}

Test(devices, without_any_rule_the_container_is_confined_all_the_same) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "allow all devices then");
  Kmsg box;
  EXPECT_TEXT(box.run().out, "zero\n");
}

Test(devices, a_rule_allows_what_it_names) {
  REQUIRE_CONTAINERS();
  REQUIRE_DEVICE_FILTER();
  Kmsg read(devices(R"({"allow":true,"type":"c","major":1,"minor":11,"access":"r"})"));
  EXPECT_TEXT(read.run().out, "read\nzero\n");
  Kmsg write(devices(R"({"allow":true,"type":"c","major":1,"minor":11,"access":"w"})"));
  EXPECT_TEXT(write.run().out, "written\nzero\n");
  Kmsg all(devices(R"({"allow":true,"type":"c","major":1,"access":"rwm"})"));
  EXPECT_TEXT(all.run().out, "read\nwritten\nzero\n");
}

Test(devices, a_rule_for_all_devices_allows_all) {
  REQUIRE_CONTAINERS();
  REQUIRE_DEVICE_FILTER();
  Kmsg box(R"({"devices":[{"allow":true,"type":"a","access":"rwm"}]})");
  EXPECT_TEXT(box.run().out, "read\nwritten\nzero\n");
}

Test(devices, of_two_rules_the_later_wins) {
  REQUIRE_CONTAINERS();
  REQUIRE_DEVICE_FILTER();
  Kmsg box(devices(R"({"allow":true,"type":"c","major":1,"minor":11,"access":"rwm"},)"
                   R"({"allow":false,"type":"c","major":1,"minor":11,"access":"w"})"));
  EXPECT_TEXT(box.run().out, "read\nzero\n");
}

Test(devices, a_node_of_anything_may_be_made) {
  REQUIRE_CONTAINERS();
  REQUIRE_DEVICE_FILTER();
  Container box;
  box.set("/linux/resources", devices(""));
  box.sh("mknod /tmp/c c 250 1 && mknod /tmp/b b 250 1 && echo made; true </tmp/b || echo refused");
  const Ran ran = box.run();
  EXPECT_TEXT(ran.out, "made\nrefused\n");
}

Test(devices, exec_is_confined_too) {
  REQUIRE_CONTAINERS();
  REQUIRE_DEVICE_FILTER();
  Kmsg box(devices(R"({"allow":true,"type":"c","major":1,"minor":11,"access":"r"})"));
  box.sh("mknod /dev/kmsg c 1 11; echo made; sleep 1000");
  box.launch();
  cr_expect(box.says("made"));
  EXPECT_STATUS(box.exec({"/bin/sh", "-c", "true </dev/kmsg"}), 0);
  cr_expect(box.exec({"/bin/sh", "-c", "true >/dev/kmsg"}).status != 0);
}

Test(devices, rules_change_while_the_container_runs) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "never update devices");
  Kmsg box(devices(""));
  box.sh("mknod /dev/kmsg c 1 11; echo made; sleep 1000");
  box.launch();
  cr_expect(box.says("made"));
  const auto opens = [&box] { return box.exec({"/bin/sh", "-c", "true </dev/kmsg"}).status == 0; };
  cr_expect(opens() == false);
  const std::string rules = devices(R"({"allow":true,"type":"c","major":1,"minor":11,"access":"r"})");
  EXPECT_STATUS(box.call({"update", "--resources", "-", box.id()}, {.input = rules}), 0);
  cr_expect(opens());
  EXPECT_STATUS(box.call({"update", "--resources", "-", box.id()}, {.input = R"({"pids":{}})"}), 0);
  cr_expect(opens());  // what is not named does not change
  EXPECT_STATUS(box.call({"update", "--resources", "-", box.id()}, {.input = devices("")}), 0);
  cr_expect(opens() == false);
}

Test(nodes, the_default_ones_and_links_are_there) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("/testbox confinement; for link in fd stdin stdout stderr ptmx; do readlink /dev/$link; done");
  const std::string out = box.run().out;
  const char* const nodes[][2] = {{"null", "1:3"},   {"zero", "1:5"},    {"full", "1:7"},
                                  {"random", "1:8"}, {"urandom", "1:9"}, {"tty", "5:0"}};
  for (const auto& [name, numbers] : nodes) EXPECT_FACT(out, cat("device_", name), cat("020666 0:0 ", numbers));
  EXPECT_CONTAINS(out, "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\n");
  EXPECT_CONTAINS(out, "pts/ptmx\n");
}

Test(nodes, of_the_config_have_their_type_mode_and_owner) {
  REQUIRE_CONTAINERS();
  Container box;
  box.set("/linux/devices",
          R"([{"path":"/dev/extra/kmsg","type":"c","major":1,"minor":11,"fileMode":384,"uid":1000,"gid":1001},
      {"path":"/dev/loop","type":"b","major":7,"minor":0},{"path":"/dev/fifo","type":"p","fileMode":438}])");
  box.sh("stat -c '%F %a %u %g %t %T' /dev/extra/kmsg /dev/loop /dev/fifo");
  const std::string out = box.run().out;
  EXPECT_CONTAINS(out, "character special file 600 1000 1001 1 b\n");
  EXPECT_CONTAINS(out, "block special file 666 0 0 7 0\n");
  EXPECT_CONTAINS(out, "fifo 666 0 0");
}

Test(nodes, on_a_different_existing_one_are_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "leave what is there");
  Container box;
  box.set("/linux/devices", R"([{"path":"/dev/null","type":"c","major":1,"minor":5}])");
  box.sh("true");
  EXPECT_REFUSED(box.create(), "/dev/null");
}

Test(nodes, a_bound_dev_is_left_as_it_is) {
  REQUIRE_CONTAINERS();
  Container box;
  make_directories(box.path() + "/dev");
  cr_assert(mknod((box.path() + "/dev/null").c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0);
  std::string mounts = R"([{"destination":"/proc","type":"proc","source":"proc"},)";
  box.set("/mounts", cat(mounts, R"({"destination":"/dev","type":"bind","source":)", quoted(box.path() + "/dev"),
                         R"(,"options":["rbind"]}])"));
  box.sh("ls /dev");
  EXPECT_TEXT(box.run().out, "null\n");
  cr_expect(exists(box.path() + "/dev/zero") == false);
}

Test(memory, limit_swap_and_reservation_are_written) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  Limited box(R"({"memory":{"limit":67108864,"swap":134217728,"reservation":33554432}})");
  box.create();
  EXPECT_TEXT(box.limit("memory.max"), "67108864");
  EXPECT_TEXT(box.limit("memory.low"), "33554432");
  const std::string swap = box.limit("memory.swap.max");
  cr_expect(swap == "67108864" || swap == "absent", "%s", swap.c_str());
}

Test(memory, a_swap_equal_to_the_limit_is_none_and_minus_one_is_max) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  Limited box(R"({"memory":{"limit":67108864,"swap":67108864}})");
  box.create();
  const std::string swap = box.limit("memory.swap.max");
  cr_expect(swap == "0" || swap == "absent", "%s", swap.c_str());
  Limited other(R"({"memory":{"limit":-1}})");
  other.create();
  EXPECT_TEXT(other.limit("memory.max"), "max");
}

Test(memory, a_swap_below_the_limit_is_refused) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  Limited box(R"({"memory":{"limit":67108864,"swap":33554432}})");
  EXPECT_REFUSED(box.create(), "swap");
}

Test(memory, a_process_that_takes_more_is_killed) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  Limited box(R"({"memory":{"limit":33554432,"swap":33554432}})");
  box.testbox({"eat", "64"});
  EXPECT_STATUS(box.run(), 128 + SIGKILL);
}

Test(memory, disabling_the_oom_killer_is_refused) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  LIMITATION(Runc, "ignores it");
  Limited box(R"({"memory":{"limit":67108864,"disableOOMKiller":true}})");
  EXPECT_REFUSED(box.create(), "oom");
}

Test(memory, what_only_cgroup_v1_had_is_ignored) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  LIMITATION(Crun, "refuses a swappiness");
  Limited box(R"({"memory":{"limit":67108864,"kernel":33554432,"kernelTCP":1048576,"swappiness":60}})");
  EXPECT_STATUS(box.create(), 0);
  EXPECT_TEXT(box.limit("memory.max"), "67108864");
}

Test(memory, a_limit_below_the_usage_is_refused_if_checked) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  LIMITATION(Crun | Runc, "of these versions know no checkBeforeUpdate");
  Limited box(R"({"memory":{"limit":134217728}})");
  box.testbox({"hold", "32", "1000"});
  box.launch();
  cr_expect(box.says("ate"));
  const Ran ran = box.call({"update", "--resources", "-", box.id()},
                           {.input = R"({"memory":{"limit":8388608,"checkBeforeUpdate":true}})"});
  EXPECT_REFUSED(ran, "memory");
  EXPECT_TEXT(box.limit("memory.max"), "134217728");
}

Test(cpu, quota_and_period_are_written) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  Limited box(R"({"cpu":{"quota":50000,"period":200000}})");
  box.create();
  EXPECT_TEXT(box.limit("cpu.max"), "50000 200000");
  Limited other(R"({"cpu":{"quota":50000}})");
  other.create();
  EXPECT_TEXT(other.limit("cpu.max"), "50000 100000");
  Limited third(R"({"cpu":{"quota":-1,"period":50000}})");
  third.create();
  EXPECT_TEXT(third.limit("cpu.max"), "max 50000");
}

Test(cpu, shares_become_a_weight) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  struct {
    int shares;
    const char *now, *before;
  } const cases[] = {
      {2, "1", "1"}, {1024, "100", "39"}, {262144, "10000", "10000"}, {512, "59", "20"}, {2048, "174", "79"}};
  for (const auto& one : cases) {
    Limited box(cat(R"({"cpu":{"shares":)", one.shares, "}}"));
    box.create();
    // The formula of runc 1.3.2 and crun 1.23; for what it gives beside the fixed points, see cgroups/.
    if (is_new() && (one.shares == 512 || one.shares == 2048)) continue;
    EXPECT_TEXT(box.limit("cpu.weight"), is_new() ? one.now : one.before);
  }
}

Test(cpu, shares_of_zero_leave_the_weight) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  Limited box(R"({"cpu":{"shares":0}})");
  box.create();
  EXPECT_TEXT(box.limit("cpu.weight"), "100");
}

Test(cpu, burst_and_idle_are_written) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  LIMITATION(Crun | Runc, "of these versions know neither");
  Limited box(R"({"cpu":{"quota":50000,"period":100000,"burst":20000}})");
  box.create();
  EXPECT_TEXT(box.limit("cpu.max.burst"), "20000");
  Limited idle(R"({"cpu":{"idle":1,"shares":1024}})");
  EXPECT_STATUS(idle.create(), 0);
  EXPECT_TEXT(idle.limit("cpu.idle"), "1");
}

Test(cpu, real_time_values_are_refused) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  LIMITATION(Runc, "ignores them");
  Limited box(R"({"cpu":{"realtimeRuntime":5000,"realtimePeriod":10000}})");
  EXPECT_REFUSED(box.create(), "realtime");
}

Test(cpuset, cpus_and_nodes_are_written) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  Limited box(R"({"cpu":{"cpus":"0","mems":"0"}})");
  box.sh("/testbox confinement; sleep 1000");
  box.launch();
  EXPECT_TEXT(box.limit("cpuset.cpus"), "0");
  EXPECT_TEXT(box.limit("cpuset.mems"), "0");
  cr_expect(box.says("cpus="));
  EXPECT_FACT(box.out(), "cpus", "0");
}

Test(pids, limit_is_written_and_holds) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  Limited box(R"({"pids":{"limit":20}})");
  box.testbox({"fork-bomb"});
  EXPECT_TEXT(box.run().out, "children=19 EAGAIN\n");
}

Test(pids, a_negative_limit_is_max) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  Limited box(R"({"pids":{"limit":-1}})");
  EXPECT_STATUS(box.create(), 0);
  EXPECT_TEXT(box.limit("pids.max"), "max");
}

Test(pids, a_limit_of_zero_is_zero) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  LIMITATION(Crun | Runc, "of these versions take it for none");
  Limited box(R"({"pids":{"limit":50}})");
  box.launch();
  EXPECT_STATUS(box.call({"update", "--resources", "-", box.id()}, {.input = R"({"pids":{"limit":0}})"}), 0);
  EXPECT_TEXT(box.limit("pids.max"), "0");
}

Test(block_io, weight_and_throttles_are_written) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  struct stat st {};
  stat("/var/tmp", &st);
  if (major(st.st_dev) == 0) cr_skip("needs a block device below /var/tmp");
  const std::string device = cat(R"("major":)", major(st.st_dev), R"(,"minor":)", minor(st.st_dev));
  Limited box(cat(R"({"blockIO":{"throttleReadBpsDevice":[{)", device,
                  R"(,"rate":1048576}],"throttleWriteIOPSDevice":[{)", device, R"(,"rate":100}]}})"));
  const Ran ran = box.create();
  EXPECT_STATUS(ran, 0);
  EXPECT_CONTAINS(box.limit("io.max"), "rbps=1048576");
  EXPECT_CONTAINS(box.limit("io.max"), "wiops=100");
}

Test(block_io, weight_goes_to_whichever_file_there_is) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  LIMITATION(Crun, "of this version writes io.weight only");
  Limited box(R"({"blockIO":{"weight":500}})");
  const Ran ran = box.create();
  if (box.limit("io.bfq.weight") != "absent") {
    EXPECT_CONTAINS(box.limit("io.bfq.weight"), "500");
  } else if (box.limit("io.weight") != "absent") {
    EXPECT_CONTAINS(box.limit("io.weight"), cat("default ", 1 + (500 - 10) * 9999 / 990));
  } else if (is_convox()) {
    cr_expect(ran.status == 1);
  }
}

Test(block_io, a_leaf_weight_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "ignore it");
  Limited box(R"({"blockIO":{"leafWeight":500}})");
  EXPECT_REFUSED(box.create(), "leafWeight");
}

Test(unified, files_are_written_verbatim_after_all_others) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  Limited box(
      R"({"memory":{"limit":67108864},"unified":{"memory.high":"33554432","memory.oom.group":"1","memory.max":"50331648","pids.max":"77"}})");
  EXPECT_STATUS(box.create(), 0);
  EXPECT_TEXT(box.limit("memory.high"), "33554432");
  EXPECT_TEXT(box.limit("memory.oom.group"), "1");
  EXPECT_TEXT(box.limit("memory.max"), "50331648");
  EXPECT_TEXT(box.limit("pids.max"), "77");
}

Test(unified, a_key_with_a_slash_is_refused) {
  REQUIRE_CONTAINERS();
  Limited box(R"({"unified":{"../cgroup.procs":"1"}})");
  EXPECT_REFUSED(box.create(), "unified");
}

Test(unified, a_file_that_is_not_there_is_refused) {
  REQUIRE_CONTAINERS();
  Limited box(R"({"unified":{"nosuch.file":"1"}})");
  EXPECT_REFUSED(box.create(), "nosuch");
  if (judged() != Crun) EXPECT_NOTHING_LEFT(box);
}

Test(unified, a_limit_without_its_controller_is_refused_by_name) {
  REQUIRE_CONTAINERS();
  if (missing(CgroupControllers).empty()) cr_skip("needs a host without cgroup controllers");
  LIMITATION(Runc, "ignores what cannot be limited in some cases");
  Limited box(R"({"memory":{"limit":67108864}})");
  EXPECT_REFUSED(box.create(), "memory");
  if (judged() != Crun) EXPECT_NOTHING_LEFT(box);
}

Test(hugetlb, pages_are_limited_where_there_is_a_controller) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  Limited box(R"({"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]})");
  if (read_file("/sys/fs/cgroup/cgroup.controllers").find("hugetlb") == std::string::npos)
    cr_skip("needs the hugetlb controller");
  EXPECT_STATUS(box.create(), 0);
  EXPECT_TEXT(box.limit("hugetlb.2MB.max"), "4194304");
}

Test(update, flags_change_what_they_name_and_nothing_else) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  Limited box(R"({"memory":{"limit":67108864},"pids":{"limit":50},"cpu":{"quota":50000,"period":100000}})");
  box.launch();
  EXPECT_STATUS(box.call({"update", "--pids-limit", "60", box.id()}), 0);
  EXPECT_TEXT(box.limit("pids.max"), "60");
  EXPECT_TEXT(box.limit("memory.max"), "67108864");
  EXPECT_TEXT(box.limit("cpu.max"), "50000 100000");
  EXPECT_STATUS(box.call({"update", "--cpu-quota", "80000", "--cpu-period", "200000", box.id()}), 0);
  EXPECT_TEXT(box.limit("cpu.max"), "80000 200000");
}

Test(update, changes_nothing_if_one_value_is_refused) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  LIMITATION(Crun | Runc, "leave what was written before");
  Limited box(R"({"memory":{"limit":67108864},"pids":{"limit":50},"cpu":{"quota":50000,"period":100000}})");
  box.launch();
  const Ran ran = box.call(
      {"update", "--pids-limit", "60", "--cpu-quota", "80000", "--memory", "128m", "--cpuset-cpus", "9999", box.id()});
  EXPECT_STATUS(ran, 1);
  EXPECT_CONTAINS(ran.err, "cpuset.cpus");
  EXPECT_TEXT(box.limit("pids.max"), "50");
  EXPECT_TEXT(box.limit("memory.max"), "67108864");
  EXPECT_TEXT(box.limit("cpu.max"), "50000 100000");
}

Test(update, sizes_may_have_a_suffix) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  LIMITATION(Crun, "takes bytes only");
  Limited box(R"({"memory":{"limit":67108864}})");
  box.launch();
  EXPECT_STATUS(
      box.call({"update", "--memory", "100m", "--memory-swap", "200m", "--memory-reservation", "10m", box.id()}), 0);
  EXPECT_TEXT(box.limit("memory.max"), "104857600");
  EXPECT_TEXT(box.limit("memory.low"), "10485760");
}

Test(update, takes_json_from_a_file_and_from_its_input) {
  REQUIRE_CONTAINERS();
  REQUIRE(CgroupControllers);
  Limited box(R"({"pids":{"limit":50}})");
  box.launch();
  write_file(box.path() + "/resources", R"({"pids":{"limit":70}})");
  EXPECT_STATUS(box.call({"update", cat("--resources=", box.path(), "/resources"), box.id()}), 0);
  EXPECT_TEXT(box.limit("pids.max"), "70");
  EXPECT_STATUS(box.call({"update", "--resources=-", box.id()}, {.input = R"({"pids":{"limit":80}})"}), 0);
  EXPECT_TEXT(box.limit("pids.max"), "80");
  EXPECT_STATUS(box.call({"update", "--resources", "-", box.id()}, {.input = R"({"memory":{"limit":67108864}})"}), 0);
  EXPECT_TEXT(box.limit("pids.max"), "80");
  EXPECT_TEXT(box.limit("memory.max"), "67108864");
}

Test(update, what_is_no_json_is_refused_and_changes_nothing) {
  REQUIRE_CONTAINERS();
  Limited box;
  box.launch();
  cr_expect(box.call({"update", "--resources", "-", box.id()}, {.input = "{"}).status != 0);
  cr_expect(box.call({"update", "--resources", "/no/such/file", box.id()}).status != 0);
  EXPECT_TEXT(box.status(), "running");
}

Test(memory_policy, is_set_before_the_command) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions know no memoryPolicy");
  if (!exists("/proc/self/numa_maps")) cr_skip("needs a kernel with NUMA");
  Container box;
  box.set("/linux/memoryPolicy", R"({"mode":"MPOL_BIND","nodes":"0"})");
  box.sh("cat /proc/self/numa_maps");
  EXPECT_CONTAINS(box.run().out, " bind:0 ");
}

Test(delegation, a_writable_cgroup_belongs_to_the_containers_root) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  LIMITATION(Runc, "of this version delegates nothing");
  Container box;
  box.user_namespace();
  box.set("/mounts/-", R"({"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["rw"]})");
  box.sh("mkdir /sys/fs/cgroup/child && echo made; sleep 1000");
  EXPECT_STATUS(box.launch(), 0);
  if (judged() == Crun) return;  // it says so by an annotation
  cr_expect(box.says("made"));
  struct stat st {};
  stat(box.cgroup().c_str(), &st);
  cr_expect(st.st_uid == 100000, "%u", st.st_uid);
}

Test(rdt, a_class_without_a_resctrl_mount_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "ignore it, or say something else");
  if (exists("/sys/fs/resctrl/schemata")) cr_skip("needs a host without resctrl");
  Container box;
  box.set("/linux/intelRdt", R"({"closID":"guaranteed","l3CacheSchema":"L3:0=7f0"})");
  EXPECT_REFUSED(box.create(), "resctrl");
}
