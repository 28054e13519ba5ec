// What is the container's process really? Its own testimony, against what a container shall be.
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "tests/support/app.h"

using namespace convox::test;
using convox::cat;

namespace {
constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;

std::string own_link(const std::string& path) {
  char text[256];
  const ssize_t size = readlink(path.c_str(), text, sizeof text);
  return size < 0 ? std::string() : std::string(text, static_cast<std::size_t>(size));
}

Entry link_to(std::string path, std::string target) {  // symlink(2) is in the way of the other name
  return convox::test::symlink(std::move(path), std::move(target));
}

// CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP: capabilities(7)
constexpr const char* kDefaultCapabilities = "00000000800405fb";
constexpr const char* kNoCapabilities = "0000000000000000";
}  // namespace

Test(confinement, holds_for_root) {
  REQUIRE(kNeeds);
  App app;
  const Ran ran = app.convox({"run", "web", "testbox", "confinement"});
  EXPECT_STATUS(ran, 0);
  const struct {
    const char *key, *value;
  } wanted[] = {
      {"uids", "0 0 0"},
      {"gids", "0 0 0"},
      {"groups", "0"},
      {"pid", "1"},
      {"ppid", "0"},
      {"sid", "1"},
      {"pgrp", "1"},
      {"cap_inheritable", kNoCapabilities},
      {"cap_permitted", kDefaultCapabilities},
      {"cap_effective", kDefaultCapabilities},
      {"cap_bounding", kDefaultCapabilities},
      {"cap_ambient", kNoCapabilities},
      {"no_new_privs", "1"},
      {"seccomp", "2"},
      {"seccomp_filters", "1"},
      {"signals_blocked", kNoCapabilities},
      {"signals_ignored", kNoCapabilities},
      {"signals_caught", kNoCapabilities},
      {"umask", "0022"},
      {"threads", "1"},
      {"nice", "0"},
      {"oom_score_adj", "0"},
      {"scheduler", "0"},
      {"io_priority", "0"},
      {"personality", "0"},
      {"timer_slack", "50000"},
      {"securebits", "0"},
      {"dumpable", "1"},
      {"death_signal", "9"},
      {"cwd", "/app"},
      {"rlimit_core", "0 0"},
  };
  for (const auto& [key, value] : wanted)
    cr_expect(fact(ran.out, key) == value, "%s is %s, not %s", key, fact(ran.out, key).c_str(), value);
  rlimit files{};  // raising the caller's hard limit is not the container's
  getrlimit(RLIMIT_NOFILE, &files);
  EXPECT_TEXT(fact(ran.out, "rlimit_nofile"), cat("1024 ", std::min<rlim_t>(524288, files.rlim_max)));
  EXPECT_CONTAINS(ran.out, "cgroup=0::/\n");
  const auto descriptors = lines_with(ran.out, "fd_");
  cr_expect(descriptors.size() == 3, "more than 0, 1 and 2 are open: %s", ran.out.c_str());
  for (const std::string& descriptor : descriptors) EXPECT_CONTAINS(descriptor, "=pipe:[");
  std::istringstream map(fact(ran.out, "uid_map"));
  unsigned inside = 1, outside = 0, count = 0;
  map >> inside >> outside >> count;
  cr_expect(inside == 0 && outside >= 524288 && outside % 65536 == 0 && count == 65536, "%s", map.str().c_str());
  EXPECT_TEXT(fact(ran.out, "gid_map"), fact(ran.out, "uid_map"));
}

Test(confinement, leaves_another_user_nothing) {
  REQUIRE(kNeeds);
  App app;
  const Ran ran = app.convox({"run", "--user", "app", "web", "testbox", "confinement"});
  EXPECT_TEXT(fact(ran.out, "uids"), "1000 1000 1000");
  EXPECT_TEXT(fact(ran.out, "groups"), "50 1000");
  for (const char* set : {"cap_inheritable", "cap_permitted", "cap_effective", "cap_ambient"})
    EXPECT_TEXT(fact(ran.out, set), kNoCapabilities);
  EXPECT_TEXT(fact(ran.out, "cap_bounding"), kDefaultCapabilities);
  EXPECT_TEXT(fact(ran.out, "no_new_privs"), "1");
  EXPECT_TEXT(fact(ran.out, "seccomp"), "2");
}

Test(confinement, shares_seven_namespaces_with_nobody) {
  REQUIRE(kNeeds);
  App app;
  const std::string one = app.convox({"run", "web", "testbox", "confinement"}).out;
  Program other = app.start_convox({"run", "web", "testbox confinement; cat"}, {.keep_input_open = true});
  cr_expect(other.expect("env=container"));
  const std::string two = app.convox({"run", "web", "testbox", "confinement"}).out;
  for (const char* kind : {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"}) {
    const std::string mine = own_link(cat("/proc/self/ns/", kind)), theirs = fact(one, cat("namespace_", kind));
    cr_expect(theirs != mine && theirs != "", "namespace %s is %s, and ours %s", kind, theirs.c_str(), mine.c_str());
  }
  cr_expect(fact(one, "uid_map") == fact(two, "uid_map") || !two.empty());
  other.close_input();
  const std::string during = other.wait().out;
  cr_expect(fact(during, "uid_map") != fact(two, "uid_map"), "two containers at once have the same host ids");
  for (const char* kind : {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"})
    cr_expect(fact(during, cat("namespace_", kind)) != fact(two, cat("namespace_", kind)), "%s is shared", kind);
  EXPECT_NOTHING_LEFT(app);
}

Test(confinement, shows_its_own_mounts_only_and_none_of_the_hosts) {
  REQUIRE(kNeeds);
  App app;
  const std::string out = app.convox({"run", "web", "testbox", "confinement"}).out;
  const struct {
    const char *point, *options;
  } wanted[] = {
      {"/ ", "rw,nodev,"},
      {"/proc ", "rw,nosuid,nodev,noexec,"},
      {"/dev ", "rw,nosuid,noexec,"},
      {"/dev/pts ", "rw,nosuid,noexec,"},
      {"/dev/shm ", "rw,nosuid,nodev,noexec,"},
      {"/dev/mqueue ", "rw,nosuid,nodev,noexec,"},
      {"/sys ", "ro,nosuid,nodev,noexec,"},
      {"/sys/fs/cgroup ", "ro,nosuid,nodev,noexec,"},
      {"/etc/hosts ", "rw,nosuid,nodev,noexec,"},
      {"/etc/hostname ", "rw,nosuid,nodev,noexec,"},
      {"/etc/resolv.conf ", "rw,nosuid,nodev,noexec,"},
  };
  std::set<std::string> planned;
  for (const auto& [point, options] : wanted) {
    planned.insert(point);
    const auto found = lines_with(out, cat("mount=", point));
    cr_expect(found.size() == 1 && found[0].starts_with(options), "%s is %zu times, %s", point, found.size(),
              found.empty() ? "" : found[0].c_str());
  }
  for (const std::string& mount : lines_with(out, "mount=")) {
    cr_expect(mount.find("SHARED") == std::string::npos && mount.find("SLAVE") == std::string::npos, "%s",
              mount.c_str());
    const std::string point = mount.substr(0, mount.find(' ') + 1);
    const bool mask = point.starts_with("/proc/") || point.starts_with("/sys/");
    cr_expect(planned.contains(point) || (mask && mount.find(" ro,") != std::string::npos), "unplanned: %s",
              mount.c_str());
  }
}

Test(confinement, hides_what_shows_or_steers_the_host) {
  REQUIRE(kNeeds);
  App app;
  const std::string out = app.convox({"run", "web", "testbox", "confinement"}).out;
  for (const char* path : {"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                           "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
                           "/proc/timer_stats", "/sys/firmware", "/sys/fs/selinux", "/sys/devices/virtual/powercap"}) {
    const std::string mask = fact(out, cat("mask_", path));
    cr_expect(mask == "absent" || mask == "null read-only" || mask == "empty read-only", "%s is %s", path,
              mask.c_str());
  }
  for (const char* path : {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
                           "/proc/sys/kernel/core_pattern", "/sys/kernel"})
    cr_expect(fact(out, cat("mask_", path)).ends_with(" read-only") || fact(out, cat("mask_", path)) == "absent",
              "%s is %s", path, fact(out, cat("mask_", path)).c_str());
  // Whoever is root inside cannot write there either.
  for (const char* path : {"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/profiling"})
    EXPECT_STATUS(app.convox({"run", "web", "testbox", "write-file", path, "x"}), 1);
}

Test(confinement, has_these_devices_and_no_others) {
  REQUIRE(kNeeds);
  App app;
  const std::string out = app.convox({"run", "web", "testbox", "confinement"}).out;
  std::set<std::string> devices;
  for (const std::string& line : lines_with(out, "device_")) devices.insert(line);
  for (const char* line : {"null=020666 0:0 1:3", "zero=020666 0:0 1:5", "full=020666 0:0 1:7", "random=020666 0:0 1:8",
                           "urandom=020666 0:0 1:9", "tty=020666 0:0 5:0"})
    cr_expect(devices.erase(line) == 1, "no %s", line);
  std::string rest;
  for (const std::string& line : devices) rest += line.substr(0, line.find('=')) + " ";
  EXPECT_TEXT(rest, "fd mqueue ptmx pts shm stderr stdin stdout ");
  EXPECT_STATUS(app.convox({"run", "web", "mknod /tmp/null c 1 3"}), 1);
  EXPECT_TEXT(
      app.convox({"run", "web", "head -c 4 /dev/zero | wc -c; echo x >/dev/null; echo y >/dev/full || echo no"}).out,
      "4\nno\n");
}

// A caller that is nice, pinned, protected, deaf or traced by resource limits must not shape the payload.
Test(confinement, inherits_nothing_from_the_caller) {
  REQUIRE(kNeeds);
  App app;
  const std::string plain = app.convox({"run", "web", "testbox", "confinement"}).out;
  const std::string script =
      "trap '' HUP USR1 PIPE CHLD; umask 077; ulimit -c unlimited; echo -500 >/proc/self/oom_score_adj; "
      "exec 7</etc/passwd 9</; exec nice -n 5 ionice -c 3 taskset -c 0 setarch -R \"$0\" run web testbox confinement";
  const Ran ran = app.run({"/bin/sh", "-c", script, Sandbox::build() + "/convox"});
  EXPECT_STATUS(ran, 0);
  for (const char* key : {"signals_ignored", "signals_blocked", "umask", "nice", "io_priority", "oom_score_adj", "cpus",
                          "personality", "rlimit_core", "scheduler"})
    cr_expect(fact(ran.out, key) == fact(plain, key), "%s is %s and not %s", key, fact(ran.out, key).c_str(),
              fact(plain, key).c_str());
  cr_expect(lines_with(ran.out, "fd_").size() == 3, "%s", ran.out.c_str());
}

Test(confinement, gives_a_keyring_of_its_own) {
  REQUIRE(kNeeds);
  App app;
  // Who is not filtered and may look at /proc/keys sees the session keyring that was joined.
  EXPECT_CONTAINS(app.convox({"run", "--privileged", "web", "grep keyring /proc/keys"}).out, " convox: ");
  EXPECT_CONTAINS(app.convox({"run", "web", "testbox", "try-syscall", "keyctl", "add_key"}).out,
                  "keyctl=EPERM\nadd_key=EPERM\n");
}

Test(confinement, its_network_is_lo_and_lo_is_up) {
  REQUIRE(kNeeds);
  App app;
  EXPECT_TEXT(app.convox({"run", "web", "ls /sys/class/net; cat /sys/class/net/lo/flags"}).out, "lo\n0x9\n");
  EXPECT_TEXT(app.convox({"run", "--user", "app", "web",
                          "echo hello | busybox nc -l -p 80 & sleep 1; sleep 1 | busybox nc 127.0.0.1 80"})
                  .out,
              "hello\n");
  const std::string mine = own_link("/proc/self/ns/net");
  EXPECT_TEXT(app.convox({"run", "--network", "host", "web", "readlink /proc/self/ns/net"}).out, mine + "\n");
  EXPECT_NOTHING_LEFT(app);
}

Test(confinement, without_a_user_namespace_keeps_the_rest) {
  REQUIRE(kNeeds);
  App app;
  const std::string out = app.convox({"run", "--userns", "host", "web", "testbox", "confinement"}).out;
  EXPECT_TEXT(fact(out, "namespace_user"), own_link("/proc/self/ns/user"));
  EXPECT_TEXT(fact(out, "cap_effective"), kDefaultCapabilities);
  EXPECT_TEXT(fact(out, "cap_bounding"), kDefaultCapabilities);
  EXPECT_TEXT(fact(out, "seccomp"), "2");
  EXPECT_TEXT(fact(out, "no_new_privs"), "1");
  for (const char* kind : {"mnt", "pid", "net", "ipc", "uts", "cgroup"})
    cr_expect(fact(out, cat("namespace_", kind)) != own_link(cat("/proc/self/ns/", kind)), "%s", kind);
  EXPECT_NOTHING_LEFT(app);
}

Test(confinement, is_given_up_by_privileged_alone) {
  REQUIRE(kNeeds);
  App app;
  const Ran ran = app.convox({"run", "--privileged", "web", "testbox", "confinement"});
  EXPECT_CONTAINS(ran.err, "WARNING: a privileged container is not confined");
  EXPECT_TEXT(fact(ran.out, "cap_effective"), fact(ran.out, "cap_bounding"));
  EXPECT_TEXT(fact(ran.out, "seccomp"), "0");
  EXPECT_TEXT(fact(ran.out, "no_new_privs"), "0");
  EXPECT_NOTHING_LEFT(app);
}

Test(confinement, capabilities_are_added_and_dropped_by_name) {
  REQUIRE(kNeeds);
  App app;
  const auto effective = [&](std::vector<std::string> flags) {
    std::vector<std::string> words = {"run"};
    words.insert(words.end(), flags.begin(), flags.end());
    words.insert(words.end(), {"web", "testbox", "confinement"});
    return fact(app.convox(words).out, "cap_effective");
  };
  EXPECT_TEXT(effective({"--cap-drop", "ALL"}), kNoCapabilities);
  EXPECT_TEXT(effective({"--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE"}), "0000000000000400");
  EXPECT_TEXT(effective({"--cap-add", "NET_RAW", "--cap-drop", "SETFCAP"}), "00000000000425fb");
}

// PID 1's executable was once the way back to the runtime's own program (CVE-2019-5736).
Test(confinement, the_program_that_started_it_cannot_be_reached) {
  REQUIRE(kNeeds);
  App app(testbox_image_with({file("self-script", "#!/proc/self/exe\n", 0755)}));
  const std::string before = sha256(read_file(Sandbox::build() + "/convox"));
  EXPECT_STATUS(app.convox({"run", "web", "/proc/self/exe"}), 126);
  EXPECT_STATUS(app.convox({"run", "web", "/self-script"}), 126);
  EXPECT_STATUS(app.convox({"run", "web", "/proc/1/exe", "3", "4"}), 126);
  EXPECT_STATUS(app.convox({"run", "--userns", "host", "web", "/proc/self/exe"}), 126);
  EXPECT_TEXT(app.convox({"run", "web", "readlink", "/proc/1/exe"}).out, "/bin/readlink\n");
  EXPECT_TEXT(sha256(read_file(Sandbox::build() + "/convox")), before);
  EXPECT_NOTHING_LEFT(app);
}

// --- images that want to lead us astray -------------------------------------------------------------------------

namespace {
// Runs `true` in an image with these entries on top and says what came of it; nothing of the host may have changed.
Ran run_hostile(std::vector<Entry> entries, std::string config = "", std::vector<std::string> words = {"true"}) {
  App app(testbox_image_with(std::move(entries), std::move(config)));
  const std::string canary = app.path() + "/canary";
  write_file(canary + "/file", "untouched");
  const std::string hosts = read_file("/etc/hosts"), passwd = read_file("/etc/passwd");
  app.remember();
  words.insert(words.begin(), {"run", "web"});
  const Ran ran = app.convox(words);
  EXPECT_NOTHING_LEFT(app);
  EXPECT_TEXT(read_file(canary + "/file"), "untouched");
  EXPECT_TEXT(read_file("/etc/hosts"), hosts);
  EXPECT_TEXT(read_file("/etc/passwd"), passwd);
  return ran;
}
}  // namespace

Test(hostile_image, proc_and_sys_as_links_are_refused) {
  REQUIRE(kNeeds);
  for (const char* name : {"proc", "sys", "dev"}) {
    Image image = testbox_image();
    std::erase_if(image.layers[0].entries, [&](const Entry& entry) { return entry.path == cat(name, "/"); });
    image.layers[0].entries.push_back(link_to(name, "/tmp"));
    App app(image);
    const Ran ran = app.convox({"run", "web", "true"});
    EXPECT_STATUS(ran, 125);
    EXPECT_CONTAINS(ran.err, cat("/", name));
    EXPECT_CONTAINS(ran.err, "ELOOP");
    // The first run failed too, and its state directories stay.
    EXPECT_NOTHING_LEFT(app);
  }
}

Test(hostile_image, links_in_etc_lead_nowhere_outside) {
  REQUIRE(kNeeds);
  for (const char* target : {"../../../../../../etc/hosts", "/etc/passwd", "/proc/1/root/etc/passwd"}) {
    const Ran ran = run_hostile({link_to("etc/hosts", target), link_to("etc/resolv.conf", target)}, "",
                                {"cat", "/etc/resolv.conf"});
    cr_expect(ran.status == 0 || (ran.status == 125 && ran.err.starts_with("ERROR: starting web: step ")), "%s: %d %s",
              target, ran.status, ran.err.c_str());
    cr_expect(ran.err.find("died") == std::string::npos, "%s", ran.err.c_str());
  }
}

Test(hostile_image, working_directory_and_volume_links_stay_inside) {
  REQUIRE(kNeeds);
  const Ran ran = run_hostile({link_to("link", "/../../../../tmp"), link_to("up", "../../../../..")},
                              R"({"Env":["PATH=/bin"],"WorkingDir":"/link","Volumes":{"/up/made/here":{}}})",
                              {"pwd; ls -d /made/here"});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.out, "/tmp\n/made/here\n");
}

Test(hostile_image, passwd_that_is_no_file_is_an_error) {
  REQUIRE(kNeeds);
  const Ran fifo = run_hostile({{.path = "etc/passwd", .mode = S_IFIFO | 0644}});
  EXPECT_STATUS(fifo, 125);
  EXPECT_CONTAINS(fifo.err, "passwd is no file");
  const Ran huge = run_hostile({file("etc/passwd", std::string(2 << 20, 'x'))});
  EXPECT_STATUS(huge, 125);
  EXPECT_CONTAINS(huge.err, "E2BIG");
  const Ran link = run_hostile({link_to("etc/passwd", "/dev/zero")}, "", {"id", "-u"});
  EXPECT_STATUS(link, 125);
}

Test(hostile_image, its_own_dev_is_not_looked_at) {
  REQUIRE(kNeeds);
  const Ran ran =
      run_hostile({link_to("dev/null", "/proc/sysrq-trigger"), link_to("dev/console", "/etc/passwd"),
                   link_to("dev/pts", "/"), file("dev/zero", "not zero")},
                  "", {"head -c 3 /dev/zero | od -An -tx1; stat -c '%F' /dev/null; head -c 1 /proc/kcore | wc -c"});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.out, " 00 00 00\ncharacter special file\n0\n");
}

Test(hostile_image, setuid_files_give_nothing) {
  REQUIRE(kNeeds);
  App app(testbox_image_with({file("busybox-suid", read_file("/bin/busybox"), 04755)}));
  EXPECT_TEXT(app.convox({"run", "--user", "app", "web", "/busybox-suid", "id", "-u"}).out, "1000\n");
  EXPECT_NOTHING_LEFT(app);
}

// A volume that was a peer of the host's mount would carry mounts made inside out to the host.
Test(confinement, shares_no_mount_with_the_host) {
  REQUIRE(kNeeds);
  App app;
  make_directories(app.path() + "/shared/below");
  app.convox({"run", "--cap-add", "SYS_ADMIN", "web", "true"});  // which compiles a filter, to stay
  app.remember();
  const Ran ran = app.convox(
      {"run", "--cap-add", "SYS_ADMIN", "--volume", app.path() + "/shared:/v", "web",
       "mount -t tmpfs inner /v/below && mount -t tmpfs inner /v && testbox confinement; umount /v/below /v"});
  for (const std::string& mount : lines_with(ran.out, "mount="))
    cr_expect(mount.find("SHARED") == std::string::npos && mount.find("SLAVE") == std::string::npos, "%s",
              mount.c_str());
  EXPECT_CONTAINS(ran.out, "mount=/v/below ");
  EXPECT_NOTHING_LEFT(app);
}
