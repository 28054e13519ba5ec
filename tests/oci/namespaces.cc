// linux.namespaces: new ones, joined ones, shared ones, and what cannot be.
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/oci/support/container.h"

using namespace convox::test;

namespace {

struct Facts : Container {
  Facts() { testbox({"confinement"}); }
};
const char* const kKinds[][2] = {{"pid", "pid"}, {"network", "net"}, {"ipc", "ipc"},
                                 {"uts", "uts"}, {"mount", "mnt"},   {"cgroup", "cgroup"}};

}  // namespace

Test(namespaces, those_listed_are_new) {
  REQUIRE_CONTAINERS();
  Facts box;
  const std::string out = box.run().out;
  for (const auto& [type, kind] : kKinds) {
    const std::string theirs = fact(out, cat("namespace_", kind)), ours = link_text(cat("/proc/self/ns/", kind));
    cr_expect(theirs.find('[') != std::string::npos && theirs != ours, "%s is not new: %s", type, theirs.c_str());
  }
}

Test(namespaces, those_not_listed_are_the_callers) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.erase("/hostname");
  for (const char* type : {"pid", "network", "ipc", "uts", "cgroup"}) box.namespace_of(type);
  // sysfs and mqueue of shared namespaces are others' business.
  const std::string out = box.run().out;
  for (const auto& [type, kind] : kKinds) {
    if (std::string(type) == "mount") continue;
    EXPECT_FACT(out, cat("namespace_", kind), link_text(cat("/proc/self/ns/", kind)));
  }
  EXPECT_FACT(out, "namespace_user", link_text("/proc/self/ns/user"));
}

Test(namespaces, network_ipc_and_uts_are_joined_by_path) {
  REQUIRE_CONTAINERS();
  Neighbour net({"--net"}, "net"), ipc({"--ipc"}, "ipc"), uts({"--uts"}, "uts");
  Facts box;
  box.erase("/hostname");
  box.namespace_of("network", net.path());
  box.namespace_of("ipc", ipc.path());
  box.namespace_of("uts", uts.path());
  const std::string out = box.run().out;
  EXPECT_FACT(out, "namespace_net", net.link());
  EXPECT_FACT(out, "namespace_ipc", ipc.link());
  EXPECT_FACT(out, "namespace_uts", uts.link());
}

Test(namespaces, the_pid_namespace_of_another_container_is_joined_by_path) {
  REQUIRE_CONTAINERS();
  Container other;
  other.sh("sleep 1000");
  other.launch();
  const std::string path = cat("/proc/", other.pid(), "/ns/pid"), link = link_text(path);
  Facts box;
  box.namespace_of("pid", path);
  const std::string out = box.run().out;
  EXPECT_FACT(out, "namespace_pid", link);
  cr_expect(fact(out, "pid") != "1", "it is the first process");
}

Test(namespaces, the_cgroup_namespace_is_joined_by_path) {
  REQUIRE_CONTAINERS();
  Neighbour cgroup({"--cgroup"}, "cgroup");
  Facts box;
  box.namespace_of("cgroup", cgroup.path());
  EXPECT_FACT(box.run().out, "namespace_cgroup", cgroup.link());
}

Test(namespaces, a_joined_user_namespace_gives_its_mappings) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  LIMITATION(Runc, "of this version wants mappings in the config");
  Neighbour user({"--user"}, "user");
  for (const char* map : {"uid_map", "gid_map"}) write_file(cat("/proc/", user.pid(), "/", map), "0 100000 65536\n");
  Facts box;
  box.user_namespace();
  box.erase("/linux/uidMappings");
  box.erase("/linux/gidMappings");
  box.namespace_of("user", user.path());
  const Ran ran = box.run();
  EXPECT_STATUS(ran, 0);
  EXPECT_FACT(ran.out, "namespace_user", user.link());
}

Test(namespaces, a_path_of_another_type_is_refused) {
  REQUIRE_CONTAINERS();
  Neighbour uts({"--uts"}, "uts");
  Facts box;
  box.namespace_of("network", uts.path());
  EXPECT_REFUSED(box.create(), "network");
  if (judged() != Crun) EXPECT_NOTHING_LEFT(box);  // it leaves the cgroup
}

Test(namespaces, a_path_that_is_no_namespace_is_refused) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.namespace_of("network", "/etc/passwd");
  cr_expect(box.create().status != 0);
  box.namespace_of("network", "/no/such/namespace");
  EXPECT_REFUSED(box.create(), "/no/such/namespace");
  if (judged() != Crun) EXPECT_NOTHING_LEFT(box);
}

Test(namespaces, duplicates_are_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "takes them");
  Facts box;
  box.set("/linux/namespaces/-", R"({"type":"pid"})");
  EXPECT_REFUSED(box.create(), "pid");
}

Test(namespaces, unknown_types_are_refused) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.set("/linux/namespaces/-", R"({"type":"nosuch"})");
  EXPECT_REFUSED(box.create(), "nosuch");
}

Test(namespaces, the_mounts_of_a_container_are_not_seen_outside) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  const std::string before = read_file("/proc/self/mountinfo");
  box.launch();
  EXPECT_TEXT(read_file("/proc/self/mountinfo"), before);
}

Test(namespaces, a_new_network_has_its_loopback_up) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("ip -o link show lo");
  EXPECT_CONTAINS(box.run().out, "UP");
}

Test(namespaces, a_time_namespace_has_its_offsets) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "of this version knows no time namespaces");
  LIMITATION(Crun, "of this version knows no offsets");
  Container box;
  box.set("/linux/namespaces/-", R"({"type":"time"})");
  box.set("/linux/timeOffsets", R"({"boottime":{"secs":1000000},"monotonic":{"secs":2000000,"nanosecs":5}})");
  box.sh("cat /proc/self/timens_offsets; cut -d. -f1 /proc/uptime");
  const Ran ran = box.run();
  EXPECT_STATUS(ran, 0);
  EXPECT_CONTAINS(ran.out, "2000000");
  EXPECT_CONTAINS(ran.out, "1000000");
  cr_expect(atol(ran.out.c_str() + ran.out.rfind('\n', ran.out.size() - 2) + 1) >= 1'000'000, "%s", ran.out.c_str());
}

Test(namespaces, time_offsets_without_a_new_time_namespace_are_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions ignore them");
  Container box;
  box.set("/linux/timeOffsets", R"({"boottime":{"secs":1000000}})");
  EXPECT_REFUSED(box.create(), "time");
}

Test(names, hostname_and_domainname_are_set) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.set("/hostname", quoted("some-host"));
  EXPECT_FACT(box.run().out, "hostname", "some-host");
  if (!is_convox()) return;
  box.set("/domainname", quoted("some.domain"));
  EXPECT_FACT(box.run().out, "domainname", "some.domain");
}

Test(names, a_hostname_without_a_uts_namespace_is_refused) {
  REQUIRE_CONTAINERS();
  Facts box;
  char before[256], after[256];
  gethostname(before, sizeof before);
  box.namespace_of("uts");
  EXPECT_REFUSED(box.create(), "uts");
  gethostname(after, sizeof after);
  EXPECT_TEXT(after, before);
}

Test(user_namespace, root_inside_is_the_mapped_user_outside) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  Container box;
  box.user_namespace();
  box.sh("/testbox confinement; exec sleep 1000");
  EXPECT_STATUS(box.launch(), 0);
  cr_expect(box.says("env="));
  const std::string out = box.out();
  EXPECT_FACT(out, "uids", "0 0 0");
  cr_expect(fact(out, "uid_map").find("100000") != std::string::npos, "%s", fact(out, "uid_map").c_str());
  EXPECT_CONTAINS(read_file(cat("/proc/", box.pid(), "/status")), "Uid:\t100000\t100000\t100000\t100000");
}

Test(user_namespace, several_ranges_are_mapped) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  Container box;
  box.user_namespace();
  box.set("/linux/uidMappings",
          R"([{"containerID":0,"hostID":100000,"size":1000},{"containerID":5000,"hostID":200000,"size":10}])");
  box.sh("cat /proc/self/uid_map");
  const std::string out = box.run().out;
  EXPECT_CONTAINS(out, "200000");
  EXPECT_CONTAINS(out, "1000\n");
}

Test(user_namespace, its_devices_belong_to_nobody_it_does_not_know) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  Container box;
  box.user_namespace();
  box.sh("echo x >/dev/null && head -c 4 /dev/zero | wc -c && stat -c %t:%T /dev/null");
  const Ran ran = box.run();
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.out, "4\n1:3\n");
}

Test(user_namespace, exec_stands_in_it) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  Container box;
  box.user_namespace();
  box.sh("sleep 1000");
  box.launch();
  const std::string link = link_text(cat("/proc/", box.pid(), "/ns/user"));
  const std::string out = box.exec({"/testbox", "confinement"}).out;
  EXPECT_FACT(out, "namespace_user", link);
  EXPECT_FACT(out, "uids", "0 0 0");
  EXPECT_FACT(out, "cap_effective", fact("x=00000000a80425fb", "x"));
}

Test(user_namespace, without_mappings_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "maps the caller");
  Container box;
  box.set("/linux/namespaces/-", R"({"type":"user"})");
  EXPECT_REFUSED(box.create(), "mapping");
  EXPECT_NOTHING_LEFT(box);
}

Test(user_namespace, mappings_without_a_user_namespace_are_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "ignore them");
  Container box;
  box.set("/linux/uidMappings", R"([{"containerID":0,"hostID":100000,"size":65536}])");
  EXPECT_REFUSED(box.create(), "mapping");
}

Test(user_namespace, a_user_that_is_not_mapped_is_refused) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  Container box;
  box.user_namespace();
  box.set("/process/user", R"({"uid":70000,"gid":0})");
  cr_expect(box.create().status != 0);
  EXPECT_NOTHING_LEFT(box);
}

Test(user_namespace, a_terminal_belongs_to_its_root) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  Container box;
  box.user_namespace();
  ConsoleSocket socket(box.path() + "/console");
  box.set("/process/terminal", "true");
  box.sh("stat -c 'owner=%u' $(tty); echo done");
  EXPECT_STATUS(box.create({"--console-socket", box.path() + "/console"}), 0);
  const int master = socket.receive();
  cr_assert(master >= 0);
  box.start();
  EXPECT_CONTAINS(read_until(master, "done"), "owner=0");
  close(master);
}

namespace {

// A container that user 1000 makes, who has no rights and no cgroup.
struct Ordinary : Container {
  static constexpr unsigned kUser = 1000;

  Ordinary() {
    set("/linux/namespaces/-", R"({"type":"user"})");
    map(R"([{"containerID":0,"hostID":1000,"size":1}])");
    set("/mounts/2/options", R"(["nosuid","noexec","newinstance","ptmxmode=0666","mode=0620"])");
    erase("/linux/cgroupsPath");
    for (const std::string& own : {path(), root(), bundle(), rootfs()}) {
      make_directories(own);
      cr_expect(chown(own.c_str(), kUser, kUser) == 0);
    }
  }
  void map(const std::string& mappings) {
    set("/linux/uidMappings", mappings);
    set("/linux/gidMappings", mappings);
  }
  // RUNTIME FLAGS WORDS... as that user, in the bundle.
  Ran as_user(const Words& words) {
    Words argv{"/usr/bin/setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", runtime_path()};
    argv.insert(argv.end(), words.begin(), words.end());
    Start how{.argv = argv, .environment = {"PATH=/usr/sbin:/usr/bin", "XDG_RUNTIME_DIR=" + root()}};
    how.directory = bundle();
    return convox::test::run(std::move(how));
  }
  Ran run_as_user() {
    write_config();
    return as_user({"run", id()});
  }
  // Where the containers of that user are without --root.
  [[nodiscard]] std::string states() const { return root() + "/convox-oci"; }
};

// In mounts of this test's own, user 1000 has a name and these subordinate ids.
void give_subordinate_ids() {
  const bool own = unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  cr_assert(own, "%m");
  const auto with_line = [](const std::string& file, const std::string& line) {
    const std::string cover = cat("/tmp/oci-cover-", getpid());
    write_file(cover, cat(exists(file) ? read_file(file) : "", line, "\n"));
    const bool mounted = mount(cover.c_str(), file.c_str(), nullptr, MS_BIND, nullptr) == 0;
    cr_expect(mounted, "%s: %m", file.c_str());
    unlink(cover.c_str());
  };
  with_line("/etc/passwd", "ordinary:x:1000:1000::/:/bin/sh");
  for (const char* file : {"/etc/subuid", "/etc/subgid"}) with_line(file, "ordinary:300000:65536");
}
constexpr const char* kRanges =
    R"([{"containerID":0,"hostID":1000,"size":1},{"containerID":1,"hostID":300000,"size":65536}])";

}  // namespace

Test(rootless, a_container_of_an_ordinary_user_runs_with_its_own_ids) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  LIMITATION(Crun, "takes no value behind --rootless");
  Ordinary box;
  box.testbox({"confinement"});
  box.write_config();
  const Ran ran = box.as_user({"--root", box.root(), "--rootless=true", "run", box.id()});
  EXPECT_STATUS(ran, 0);
  EXPECT_FACT(ran.out, "uids", "0 0 0");
  EXPECT_FACT(ran.out, "setgroups", "deny");
}

Test(rootless, what_spec_writes_for_an_ordinary_user_runs) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  LIMITATION(Crun | Runc, "of these versions insist on a cgroup, or a terminal");
  Ordinary box;
  EXPECT_STATUS(box.as_user({"spec", "--rootless"}), 0);
  box.set_config(read_file(box.bundle() + "/config.json"));
  box.set("/process/terminal", "false");
  box.args({"/bin/id", "-u"});
  const Ran ran = box.run_as_user();
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.out, "0\n");
  EXPECT_TEXT(ran.err, "");
}

Test(rootless, its_maker_lists_enters_kills_and_deletes_it) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  LIMITATION(Crun | Runc, "of these versions insist on a cgroup");
  Ordinary box;
  box.sh("sleep 1000");
  box.write_config();
  EXPECT_STATUS(box.as_user({"run", "--detach", "--pid-file", box.root() + "/pid", box.id()}), 0);
  const std::string pid = read_file(box.root() + "/pid");
  EXPECT_AT(box.as_user({"state", box.id()}).out, "/status", "running");
  EXPECT_AT(box.as_user({"list", "--format", "json"}).out, "/0/id", box.id());
  const Ran entered = box.as_user({"exec", box.id(), "/testbox", "confinement"});
  EXPECT_STATUS(entered, 0);
  EXPECT_FACT(entered.out, "uids", "0 0 0");
  for (const auto& [type, kind] : kKinds)
    if (std::string(type) != "cgroup")
      EXPECT_FACT(entered.out, cat("namespace_", kind), link_text(cat("/proc/", pid, "/ns/", kind)));
  EXPECT_FACT(entered.out, "namespace_user", link_text(cat("/proc/", pid, "/ns/user")));
  EXPECT_STATUS(box.as_user({"kill", box.id(), "KILL"}), 0);
  EXPECT_STATUS(box.as_user({"delete", "--force", box.id()}), 0);
  cr_expect_not(exists(cat(box.states(), "/", box.id())));
  cr_expect(box.reap(std::stoi(pid)) == 128 + SIGKILL);
}

Test(rootless, a_created_container_is_started_by_its_maker) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  LIMITATION(Crun | Runc, "of these versions insist on a cgroup");
  Ordinary box;
  box.sh("echo ran >/proc/1/cwd/tmp/said; sleep 1000");
  box.set("/mounts/-", R"({"destination":"/tmp","type":"bind","source":"..","options":["rbind"]})");
  box.write_config();
  EXPECT_STATUS(box.as_user({"create", box.id()}), 0);
  EXPECT_AT(box.as_user({"state", box.id()}).out, "/status", "created");
  EXPECT_STATUS(box.as_user({"start", box.id()}), 0);
  cr_expect(comes_true([&] { return exists(box.path() + "/said"); }));
  EXPECT_STATUS(box.as_user({"delete", "--force", box.id()}), 0);
}

Test(rootless, ranges_are_mapped_by_newuidmap) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  LIMITATION(Crun | Runc, "of these versions insist on a cgroup");
  if (!exists("/usr/bin/newuidmap")) cr_skip("needs newuidmap");
  give_subordinate_ids();
  Ordinary box;
  box.map(kRanges);
  box.set("/process/user", R"({"uid":7,"gid":8,"additionalGids":[9]})");
  box.sh("id -u; id -G; cat /proc/self/uid_map");
  const Ran ran = box.run_as_user();
  EXPECT_STATUS(ran, 0);
  EXPECT_CONTAINS(ran.out, "7\n8 9\n");
  EXPECT_CONTAINS(ran.out, "300000      65536");
}

Test(rootless, what_runs_with_a_subordinate_id_is_killed_by_its_maker) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  LIMITATION(Crun | Runc, "of these versions insist on a cgroup");
  if (!exists("/usr/bin/newuidmap")) cr_skip("needs newuidmap");
  give_subordinate_ids();
  Ordinary box;
  box.map(kRanges);
  box.set("/process/user", R"({"uid":7,"gid":8})");
  box.sh("sleep 1000");
  box.write_config();
  EXPECT_STATUS(box.as_user({"run", "--detach", "--pid-file", box.root() + "/pid", box.id()}), 0);
  const std::string pid = read_file(box.root() + "/pid");
  EXPECT_CONTAINS(read_file("/proc/" + pid + "/status"), "Uid:\t300006\t");
  const Ran entered = box.as_user({"exec", "--user", "3:4", box.id(), "/bin/id", "-u"});
  EXPECT_STATUS(entered, 0);
  EXPECT_TEXT(entered.out, "3\n");
  EXPECT_STATUS(box.as_user({"kill", box.id(), "KILL"}), 0);
  EXPECT_STATUS(box.as_user({"delete", "--force", box.id()}), 0);
  cr_expect(box.reap(std::stoi(pid)) == 128 + SIGKILL);
}

Test(rootless, ids_that_are_not_the_users_are_refused) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  LIMITATION(Crun | Runc, "of these versions insist on a cgroup");
  if (!exists("/usr/bin/newuidmap")) cr_skip("needs newuidmap");
  give_subordinate_ids();
  Ordinary box;
  box.map(R"([{"containerID":0,"hostID":1000,"size":1},{"containerID":1,"hostID":500000,"size":65536}])");
  Ran ran = box.run_as_user();
  EXPECT_STATUS(ran, 1);
  EXPECT_CONTAINS(ran.err, "newuidmap");
  box.map(R"([{"containerID":0,"hostID":300000,"size":65536}])");
  ran = box.run_as_user();
  EXPECT_STATUS(ran, 1);
  EXPECT_CONTAINS(ran.err, "must map id 0 to 1000");
}

Test(rootless, a_limit_that_cannot_be_set_is_an_error) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  LIMITATION(Crun | Runc, "of these versions insist on a cgroup");
  Ordinary box;
  box.set("/linux/resources", R"({"memory":{"limit":67108864}})");
  const Ran ran = box.run_as_user();
  cr_expect(ran.status != 0);
  EXPECT_CONTAINS(ran.err, "cgroup");
}

Test(net_devices, are_moved_in_and_renamed) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions know no netDevices");
  EXPECT_STATUS(run({.argv = {"/bin/ip", "link", "add", "oci-test0", "type", "veth", "peer", "oci-test1"}}), 0);
  run({.argv = {"/bin/ip", "link", "set", "oci-test1", "up"}});
  run({.argv = {"/bin/ip", "address", "add", "192.0.2.7/24", "dev", "oci-test0"}});
  Container box;
  box.set("/linux/netDevices", R"({"oci-test0":{"name":"inside0"}})");
  box.sh("ip -o address show dev inside0; ip -o link show dev inside0");
  const std::string out = box.run().out;
  EXPECT_CONTAINS(out, "192.0.2.7/24");
  EXPECT_CONTAINS(out, "UP");
}

Test(net_devices, without_a_network_namespace_are_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions know no netDevices");
  Container box;
  box.namespace_of("network");
  box.set("/linux/netDevices", R"({"lo":{}})");
  EXPECT_REFUSED(box.create(), "netDevices");
}
