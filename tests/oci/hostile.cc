// The escapes of the past, each with a control that shows that the attack would be seen. Whatever the runtime answers,
// the host must be as before and the container must not have what it reached for.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/oci/support/container.h"
#include "tests/support/sandbox.h"

using namespace convox::test;

namespace {

// A directory of the host that a hostile root file system points at.
struct Hostile : Container {
  Hostile() { write_file(victim() + "/precious", "precious\n"); }
  [[nodiscard]] std::string victim() const { return path() + "/victim"; }
  // The root file system's NAME becomes a link to `target`.
  void replace(const std::string& name, const std::string& target) {
    remove_tree(cat(rootfs(), "/", name));
    make_link(target, cat(rootfs(), "/", name));
  }
  void expect_victim_untouched(const char* attack) const {
    const std::string names = listing();
    cr_expect(names == "precious", "%s changed the host's directory: %s", attack, names.c_str());
    cr_expect(read_file(victim() + "/precious") == "precious\n", "%s", attack);
    const std::string mounts = read_file("/proc/self/mountinfo");
    cr_expect(mounts.find(victim()) == std::string::npos, "%s mounted on the host", attack);
  }
  [[nodiscard]] std::string listing() const {
    Ran ls = ::convox::test::run({.argv = {"/bin/ls", "-A", victim()}});
    while (ls.out.ends_with('\n')) ls.out.pop_back();
    return ls.out;
  }
};

struct Identity {
  ino_t inode = 0;
  off_t size = 0;
  timespec modified{}, changed{};
  bool operator==(const Identity& other) const {
    return inode == other.inode && size == other.size && modified.tv_sec == other.modified.tv_sec &&
           modified.tv_nsec == other.modified.tv_nsec;
  }
};
Identity identity(const std::string& path) {
  struct stat st {};
  stat(path.c_str(), &st);
  return {st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
}

}  // namespace

Test(hostile, a_link_in_place_of_proc_sys_or_dev_reaches_nothing_of_the_host) {  // CVE-2019-16884, CVE-2023-27561
  REQUIRE_CONTAINERS();
  for (const char* name : {"proc", "sys", "dev"}) {
    if (judged() == Runc && std::string(name) == "dev") continue;  // runc 1.1.5 makes its links there: CVE-2026-41579
    for (const bool absolute : {true, false}) {
      Hostile box;
      box.replace(name, absolute ? box.victim() : "../../../../../../../../.." + box.victim());
      box.sh("exit 0");
      box.run();
      box.expect_victim_untouched(name);
    }
  }
  // The control: the same directory bound on purpose is reached.
  Hostile box;
  box.set("/mounts/-",
          cat(R"({"type":"bind","source":)", quoted(box.victim()), R"(,"destination":"/mnt","options":["rbind"]})"));
  box.sh("touch /mnt/new");
  EXPECT_STATUS(box.run(), 0);
  cr_expect(exists(box.victim() + "/new"));
}

Test(hostile, a_link_in_place_of_proc_or_sys_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "resolves it inside the root file system");
  for (const char* name : {"proc", "sys"}) {
    Hostile box;
    make_directories(box.rootfs() + "/elsewhere");
    box.replace(name, "elsewhere");
    EXPECT_REFUSED(box.create(), cat("/", name));
    EXPECT_NOTHING_LEFT(box);
  }
}

Test(hostile, links_below_dev_reach_nothing_of_the_host) {  // CVE-2026-41579, CVE-2026-47766
  REQUIRE_CONTAINERS();
  for (const char* name : {"ptmx", "pts", "null", "console", "fd", "shm", "mqueue"}) {
    Hostile box;
    make_link(box.victim() + (std::string(name) == "null" ? "/precious" : ""), cat(box.rootfs(), "/dev/", name));
    box.sh("exit 0");
    box.run();
    box.expect_victim_untouched(name);
  }
}

Test(hostile, device_nodes_go_through_no_link) {
  REQUIRE_CONTAINERS();
  Hostile box;
  make_link(box.victim(), box.rootfs() + "/nodes");
  box.set("/linux/devices", R"([{"path":"/nodes/evil","type":"c","major":1,"minor":3}])");
  box.sh("exit 0");
  box.run();
  box.expect_victim_untouched("a device node");
}

Test(hostile, a_mount_destination_through_links_stays_inside) {  // CVE-2021-30465
  REQUIRE_CONTAINERS();
  for (const char* target : {"/victim-absolute", "../../../../../../../../../..", "/proc/self/root", "/proc/1/root"}) {
    Hostile box;
    make_link(std::string(target) == "/victim-absolute" ? box.victim() : target + box.victim(), box.rootfs() + "/link");
    box.set("/mounts/-", R"({"type":"tmpfs","source":"tmpfs","destination":"/link/below/here"})");
    box.sh("exit 0");
    box.run();
    box.expect_victim_untouched(target);
  }
}

Test(hostile, a_component_that_is_swapped_all_the_time_leads_nowhere) {  // CVE-2021-30465, CVE-2024-45310
  REQUIRE_CONTAINERS();
  Hostile box;
  make_directories(box.path() + "/volume/dir");
  make_link(box.victim(), box.path() + "/volume/link");
  // Outside a container for speed: renameat2(RENAME_EXCHANGE) without end.
  Program swapper(
      {.argv = {Sandbox::build() + "/tests/testbox", "swap", box.path() + "/volume/dir", box.path() + "/volume/link"},
       .limit = std::chrono::seconds(60)});
  cr_expect(swapper.expect("swapping"));
  box.set("/mounts/-", cat(R"({"type":"bind","source":)", quoted(box.path() + "/volume"),
                           R"(,"destination":"/volume","options":["rbind"]})"));
  box.set("/mounts/-", R"({"type":"tmpfs","source":"tmpfs","destination":"/volume/dir/deep"})");
  box.sh("exit 0");
  for (int time = 0; time < 10; ++time) box.run();
  swapper.signal(SIGKILL);
  swapper.wait();
  box.expect_victim_untouched("a swapped component");
}

Test(hostile, the_working_directory_is_never_one_of_the_host) {  // CVE-2024-21626
  REQUIRE_CONTAINERS();
  for (int fd = 3; fd < 16; ++fd) {
    Hostile box;
    box.set("/process/cwd", quoted(cat("/proc/self/fd/", fd)));
    box.sh(
        "cat ../../../../../../../../../../../../../etc/hostname-of-the-host 2>/dev/null; ls -d ../victim 2>/dev/null");
    write_file(box.path() + "/marker", "");
    const Ran ran = box.run();
    cr_expect(ran.out.empty(), "fd %d: %s", fd, ran.out.c_str());
    cr_expect(ran.status != 0, "fd %d", fd);
  }
  if (is_convox()) {
    Hostile box;
    make_link("/proc/self/fd/7", box.rootfs() + "/cwd");
    box.set("/process/cwd", quoted("/cwd"));
    box.sh("exit 0");
    cr_expect(box.run().status != 0);
  }
}

Test(hostile, the_working_directory_of_exec_is_never_one_of_the_host) {  // CVE-2024-21626
  REQUIRE_CONTAINERS();
  Hostile box;
  box.sh("sleep 1000");
  box.launch();
  // The control: a directory of the container works.
  EXPECT_TEXT(box.exec({"/bin/pwd"}, {"--cwd", "/tmp"}).out, "/tmp\n");
  for (int fd = 3; fd < 16; ++fd) {
    const Ran ran = box.exec({"/bin/ls", "-A", "../../../../../../.."}, {"--cwd", cat("/proc/self/fd/", fd)});
    cr_expect(ran.status != 0, "fd %d: %s", fd, ran.out.c_str());
  }
}

Test(hostile, the_runtimes_own_program_cannot_be_overwritten_from_exec) {  // CVE-2019-5736
  REQUIRE_CONTAINERS();
  Hostile box;
  make_link("/proc/self/exe", box.rootfs() + "/bin/evil");
  write_file(box.rootfs() + "/bin/script", "#!/proc/self/exe\n", 0755);
  // The control is a program of the container's own, which the same attack can overwrite.
  run({.argv = {"/bin/cp", box.rootfs() + "/bin/busybox", box.rootfs() + "/bin/busybox-control"}});
  box.set("/process/capabilities/bounding/-", quoted("CAP_SYS_PTRACE"));
  box.set("/process/capabilities/effective/-", quoted("CAP_SYS_PTRACE"));
  box.set("/process/capabilities/permitted/-", quoted("CAP_SYS_PTRACE"));
  box.testbox({"grab-programs", slowness() > 1 ? "12" : "3"});
  const Identity before = identity(runtime_path());
  box.launch();
  cr_expect(box.says("grabbing"));
  box.exec({"/bin/busybox-control", "sleep", slowness() > 1 ? "2" : "0.3"});
  for (int time = 0; time < 5; ++time) {
    box.exec({"/bin/evil", "--version"});
    box.exec({"/proc/self/exe", "--version"});
    box.exec({"/bin/script"});
  }
  cr_expect(box.says("grabbed"));
  const std::string out = box.out();
  EXPECT_CONTAINS(out, "writable /bin/busybox-control");
  const std::string name = runtime_path().substr(runtime_path().rfind('/'));
  cr_expect(out.find("writable " + runtime_path()) == std::string::npos && out.find(name + "\n") == std::string::npos,
            "%s", out.c_str());
  cr_expect(identity(runtime_path()) == before);
}

Test(hostile, the_runtimes_own_program_is_no_entry_point) {  // CVE-2019-5736
  REQUIRE_CONTAINERS();
  const Identity before = identity(runtime_path());
  for (const char* entry : {"/proc/self/exe", "/bin/evil", "/bin/script"}) {
    Hostile box;
    make_link("/proc/self/exe", box.rootfs() + "/bin/evil");
    write_file(box.rootfs() + "/bin/script", "#!/proc/self/exe\n", 0755);
    box.args({entry, "--version"});
    const Ran ran = box.run();
    if (is_convox()) cr_expect(ran.status != 0 && ran.out.empty(), "%s: %d %s", entry, ran.status, ran.out.c_str());
  }
  cr_expect(identity(runtime_path()) == before);
}

Test(hostile, a_null_device_that_is_a_link_masks_nothing_of_the_hosts) {  // CVE-2025-31133
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions bind whatever /dev/null is");
  Hostile box;
  // The image brings its own /dev: what stands there under the name of the null device must not be bound over a mask.
  box.erase("/mounts/1");
  box.set("/mounts", R"([{"destination":"/proc","type":"proc","source":"proc"}])");
  make_link("/proc/sys/kernel/core_pattern", box.rootfs() + "/dev/null");
  box.set("/linux/maskedPaths", R"(["/proc/timer_list"])");
  box.sh("cat /proc/timer_list | wc -c; stat -c %t:%T /proc/timer_list");
  const Ran ran = box.run();
  cr_expect(ran.status != 0 || ran.out == "0\n1:3\n", "%d %s", ran.status, ran.out.c_str());
}

Test(hostile, masks_hold_whatever_the_root_has_in_their_place) {
  REQUIRE_CONTAINERS();
  Hostile box;
  make_link(box.victim() + "/precious", box.rootfs() + "/masked");
  make_link("../../../../../../../../../../" + box.victim(), box.rootfs() + "/readonly");
  box.set("/linux/maskedPaths", R"(["/masked","/proc/keys"])");
  box.set("/linux/readonlyPaths", R"(["/readonly"])");
  box.sh("cat /proc/keys | wc -c");
  const Ran ran = box.run();
  if (ran.status == 0) EXPECT_TEXT(ran.out, "0\n");
  box.expect_victim_untouched("a mask");
}

Test(hostile, a_console_is_bound_from_the_terminal_that_was_made) {  // CVE-2025-52565
  REQUIRE_CONTAINERS();
  Hostile box;
  ConsoleSocket socket(box.path() + "/console");
  write_file(box.rootfs() + "/dev/console", "");
  make_directories(box.rootfs() + "/dev/pts");
  make_link("/proc/sys/kernel/core_pattern", box.rootfs() + "/dev/pts/0");
  box.set("/process/terminal", "true");
  box.sh("stat -c 'type=%t' /dev/console; echo done");
  if (box.create({"--console-socket", box.path() + "/console"}).status != 0) return;
  const int master = socket.receive();
  cr_assert(master >= 0);
  box.start();
  EXPECT_CONTAINS(read_until(master, "done"), "type=88");  // 136
  close(master);
}

Test(hostile, a_procfs_that_is_none_gets_no_labels_and_no_sysctls) {  // CVE-2025-52881, CVE-2019-19921
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "mounts over /proc whatever is asked");
  Hostile box;
  make_directories(box.victim() + "/sys/net/ipv4");
  write_file(box.victim() + "/sys/net/ipv4/ip_default_ttl", "");
  box.set("/mounts/-",
          cat(R"({"type":"bind","source":)", quoted(box.victim()), R"(,"destination":"/proc","options":["rbind"]})"));
  box.set("/linux/sysctl", R"({"net.ipv4.ip_default_ttl":"77"})");
  box.sh("exit 0");
  cr_expect(box.run().status != 0);
  EXPECT_TEXT(read_file(box.victim() + "/sys/net/ipv4/ip_default_ttl"), "");
}

Test(hostile, nodes_in_the_root_file_system_open_no_devices) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "leave it to the device rules of the engine");
  Hostile box;
  cr_assert(mknod((box.rootfs() + "/kmsg").c_str(), S_IFCHR | 0666, makedev(1, 11)) == 0);
  box.set("/process/capabilities/effective/-", quoted("CAP_SYSLOG"));
  box.set("/process/capabilities/permitted/-", quoted("CAP_SYSLOG"));
  box.set("/process/capabilities/bounding/-", quoted("CAP_SYSLOG"));
  box.sh("true </kmsg");
  cr_expect(box.run().status != 0);
}

Test(hostile, no_descriptor_of_the_host_is_left_while_created_or_running) {  // CVE-2016-9962
  REQUIRE_CONTAINERS();
  Hostile box;
  box.testbox({"confinement"});
  EXPECT_STATUS(box.launch(), 0);
  cr_expect(box.says("env="));
  for (int fd = 3; fd < 30; ++fd) EXPECT_FACT(box.out(), cat("fd_", fd), "absent");
  // The control: what is preserved is listed.
  EXPECT_CONTAINS(fact(box.out(), "fd_1"), "/out");
}

Test(hostile, the_container_cannot_trace_what_joins_it) {  // CVE-2016-9962
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions are dumpable for a moment");
  Hostile box;
  box.sh(
      "while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || [ $p = /proc/$$ ] || "
      "for f in $p/fd/*; do case $(readlink $f) in */oci-*|*cgroup*) echo leak $(readlink $f);; esac; done; done; done "
      "2>/dev/null");
  for (const char* set : {"bounding", "effective", "permitted"})
    box.set(cat("/process/capabilities/", set, "/-"), quoted("CAP_SYS_PTRACE"));
  box.launch();
  for (int time = 0; time < 10; ++time) EXPECT_STATUS(box.exec({"/bin/true"}, {}, {.input = ""}), 0);
  const std::string out = box.out();
  cr_expect(out.find("leak") == std::string::npos, "%s", out.c_str());
}

Test(hostile, a_users_file_that_names_a_number_gives_nobody_root) {  // CVE-2026-30892
  REQUIRE_CONTAINERS();
  Hostile box;
  box.sh("sleep 1000");
  box.launch();
  EXPECT_FACT(box.exec({"/testbox", "confinement"}, {"--user", "1"}).out, "uids", "1 1 1");
  for (const char* user : {"1000x", "-1", "4294967296", "", ":", "0x0"}) {
    if (!is_convox()) break;
    cr_expect(box.exec({"/bin/true"}, {"--user", user}).status == 255, "%s", user);
  }
}

Test(hostile, the_state_of_a_container_is_not_read_through_a_link) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "follow it");
  Hostile box;
  make_link(box.victim(), box.root() + "/linked");
  box.bare({"delete", "--force", "linked"});
  box.expect_victim_untouched("a linked state");
  unlink((box.root() + "/linked").c_str());
}

Test(hostile, a_fork_bomb_at_the_gate_of_delete_is_ended) {
  REQUIRE_CONTAINERS();
  Hostile box;
  box.set("/process/rlimits", R"([{"type":"RLIMIT_NPROC","soft":300,"hard":300}])");
  box.set("/process/user", R"({"uid":4321,"gid":4321})");
  box.sh("bomb() { bomb | bomb & sleep 0.05; bomb; }; echo up; bomb 2>/dev/null");
  box.launch();
  cr_expect(box.says("up"));
  sleep_milliseconds(300);
  EXPECT_STATUS(box.bare({"delete", "--force", box.id()}), 0);
  EXPECT_TEXT(box.status(), "absent");
  cr_expect(comes_true([&] { return exists(box.cgroup()) == false; }));
}
