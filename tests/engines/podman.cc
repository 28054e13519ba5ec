// Does Podman, as root, get from the runtime what it asks for?
//
// Every act of Podman's that reaches the runtime, one or a few to a test: what it told the runtime to do is looked for
// inside the container, what the runtime told it in the words and statuses that Podman shows.
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/cat.h"
#include "tests/support/engines.h"
#include "tests/support/wait.h"

using namespace convox::test;
using Words = std::vector<std::string>;

ReportHook(PRE_ALL)(criterion_test_set*) { Session::begin({"podman", "conmon"}); }
ReportHook(POST_ALL)(criterion_global_stats*) { Session::end(); }

namespace {
constexpr auto kNeeds = Root | CgroupV2;
constexpr auto kControllers = kNeeds | CgroupControllers;

// Standard output of a container that runs `script` and must end with 0.
std::string says(const Podman& podman, Words flags, const std::string& script) {
  flags.insert(flags.begin(), {"run", "--rm"});
  flags.insert(flags.end(), {"app", "sh", "-c", script});
  const Ran ran = podman(flags);
  EXPECT_STATUS(ran, 0);
  return trimmed(ran.out);
}

// A container that stays until the test ends it.
void start_sleeper(const Podman& podman, const std::string& name, Words flags = {}) {
  flags.insert(flags.begin(), {"run", "--detach", "--name", name});
  flags.insert(flags.end(), {"app", "sleep", "1000"});
  EXPECT_STATUS(podman(flags), 0);
}
void remove(const Podman& podman, const std::string& name) {
  EXPECT_STATUS(podman({"rm", "--force", "--time", "0", name}), 0);
}
std::string inspect(const Podman& podman, const std::string& name, const std::string& what) {
  return trimmed(podman({"inspect", "--format", convox::cat("{{", what, "}}"), name}).out);
}

double seconds_since(const timespec& start) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec - start.tv_sec) + static_cast<double>(now.tv_nsec - start.tv_nsec) / 1e9;
}
}  // namespace

// --- run ---------------------------------------------------------------------------------------------------------

Test(podman, names_the_runtime_of_the_drop_in) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  const Ran ran = podman({"info", "--format", "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}"});
  EXPECT_TEXT(trimmed(ran.out), "convox-oci " + Session::runtime());
}

Test(podman, run_passes_input_both_outputs_and_the_status) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  const Ran ran = podman({"run", "--rm", "--interactive", "app", "sh", "-c", "cat; echo wrong >&2; exit 7"},
                         {.input = "one\ntwo\n"});
  EXPECT_STATUS(ran, 7);
  EXPECT_TEXT(ran.out, "one\ntwo\n");
  EXPECT_TEXT(ran.err, "wrong\n");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, run_of_what_is_missing_is_127_and_of_what_is_not_executable_126) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  const struct {
    const char* command;
    int status;
  } cases[] = {{"nosuch", 127}, {"/nosuch", 127}, {"/app/bin/not-executable", 126}, {"/app", 126}};
  for (const auto& [command, status] : cases) {
    const Ran ran = podman({"run", "--rm", "app", command});
    EXPECT_STATUS(ran, status);
    EXPECT_TEXT(ran.out, "");
  }
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, run_with_a_terminal_gives_one_that_follows_the_users) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  Program shell =
      podman.start({"run", "--rm", "--interactive", "--tty", "app", "sh", "-c",
                    "testbox is-tty; until [ \"$(testbox winsize)\" = '24 80' ]; do :; done; echo first;"
                    "until [ \"$(testbox winsize)\" = '30 100' ]; do :; done; echo second; read x; echo \"<$x>\""},
                   {.terminal = true});
  cr_expect(shell.expect("controlling=yes"));
  cr_expect(shell.expect("first"));
  shell.resize(30, 100);
  cr_expect(shell.expect("second"));
  shell.type("word\n");
  cr_expect(shell.expect("<word>"));
  const Ran ran = shell.wait();
  EXPECT_STATUS(ran, 0);
  EXPECT_CONTAINS(ran.out, "0=terminal\r\n1=terminal\r\n2=terminal\r\n");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, run_gives_the_environment_the_directory_the_user_and_the_names) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  EXPECT_TEXT(says(podman,
                   {"--env", "GREETING=hello", "--workdir", "/tmp", "--user", "app", "--hostname", "named", "--sysctl",
                    "net.ipv4.ip_forward=1"},
                   "echo $GREETING $PWD $(id -u) $(id -g) $(hostname) $(cat /proc/sys/net/ipv4/ip_forward)"),
              "hello /tmp 1000 1000 named 1");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, run_sets_resource_limits) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  const std::string limits =
      says(podman, {"--ulimit", "core=4096:8192", "--ulimit", "nofile=256:512", "--ulimit", "nproc=1024:1024"},
           "grep -E 'core|open' /proc/self/limits | tr -s ' '");
  EXPECT_TEXT(limits, "Max core file size 4096 8192 bytes \nMax open files 256 512 files");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, run_mounts_volumes_and_tmpfs_and_keeps_the_root_read_only) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  const std::string shared = Session::path() + "/tmp/shared";
  write_file(shared + "/file", "from outside\n");
  EXPECT_TEXT(
      says(podman,
           {"--read-only", "--tmpfs", "/t:size=1m", "--volume", shared + ":/ro:ro", "--volume", shared + ":/rw"},
           "cat /ro/file; touch /x /ro/x; touch /t/x && echo t; touch /rw/made && echo rw; "
           "grep ' /t ' /proc/self/mountinfo | grep -o 'tmpfs.*'")
          .substr(0, 22),
      "from outside\nt\nrw\ntmpf");
  cr_expect(exists(shared + "/made"));
  cr_expect(not(exists(shared + "/x")));
  remove_tree(shared);
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, run_drops_and_adds_capabilities) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  const std::string status =
      says(podman, {"--cap-drop", "all", "--cap-add", "net_raw"}, "grep -E 'Cap(Prm|Eff|Bnd)' /proc/self/status");
  EXPECT_TEXT(status, "CapPrm:\t0000000000002000\nCapEff:\t0000000000002000\nCapBnd:\t0000000000002000");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, run_loads_the_filter_that_was_asked_for) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  const std::string filters = "grep -E 'Seccomp_filters|NoNewPrivs' /proc/self/status; mkdir /tmp/made 2>&1";
  const int own = own_seccomp_filters();
  const std::string profile = Session::path() + "/tmp/profile.json";
  write_file(profile, R"({"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],
      "syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":33}]})");
  EXPECT_TEXT(says(podman, {}, filters), convox::cat("NoNewPrivs:\t0\nSeccomp_filters:\t", own + 1));
  EXPECT_TEXT(says(podman, {"--security-opt", "seccomp=unconfined", "--security-opt", "no-new-privileges"}, filters),
              convox::cat("NoNewPrivs:\t1\nSeccomp_filters:\t", own));
  // errno 33 is EDOM, which nothing else gives.
  EXPECT_CONTAINS(says(podman, {"--security-opt", "seccomp=" + profile}, filters + "; true"), "Numerical");
  unlink(profile.c_str());
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, run_maps_users) {
  REQUIRE_ENGINE(kNeeds | UserNamespaces);
  const Podman podman;
  EXPECT_TEXT(says(podman, {"--uidmap", "0:100000:2000", "--gidmap", "0:100000:2000"},
                   "cat /proc/self/uid_map; stat -c %u:%g /bin/busybox; touch /made && stat -c %u:%g /made"),
              "0     100000       2000\n0:0\n0:0");
  EXPECT_CONTAINS(says(podman, {"--userns", "auto"}, "cat /proc/self/uid_map"), "2100000000");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, run_gives_a_device_and_no_other) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  // A node of one's own making (1:11 is /dev/kmsg) is as good as none: the kernel asks the group's device filter at
  // open.
  EXPECT_TEXT(says(podman, {"--device", "/dev/fuse:/dev/given:r", "--cap-add", "mknod"},
                   "stat -c %F /dev/given; busybox mknod /dev/made c 1 11 && echo made; "
                   "for node in given made; do (: </dev/$node) 2>/dev/null && echo $node read; "
                   "(: >/dev/$node) 2>/dev/null && echo $node written; done; true"),
              "character special file\nmade\ngiven read");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, run_with_the_hosts_dev_has_a_shm_of_its_own_in_it) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  cr_expect(exists("/dev/shm/libpod_lock"));  // what is not to be seen
  EXPECT_TEXT(says(podman, {"--volume", "/dev:/dev"}, "stat -c %t:%T /dev/null; ls /dev/shm | wc -l"), "1:3\n0");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, run_with_privileges_has_them) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  const std::string own = read_file("/proc/self/status");
  const std::string bounding = own.substr(own.find("CapBnd:") + 8, 16);
  EXPECT_TEXT(
      says(podman, {"--privileged"},
           "grep -E 'CapEff|Seccomp_filters' /proc/self/status; (: >/dev/kmsg) && echo devices; "
           "mount -t tmpfs none /tmp && echo mounts; grep ' /proc/' /proc/self/mountinfo || echo unmasked"),
      convox::cat("CapEff:\t", bounding, "\nSeccomp_filters:\t", own_seccomp_filters(), "\ndevices\nmounts\nunmasked"));
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, run_in_the_hosts_network_is_in_it) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  char ours[64] = {};
  cr_assert(readlink("/proc/self/ns/net", ours, sizeof ours - 1) > 0);
  EXPECT_TEXT(says(podman, {"--network", "host"}, "readlink /proc/self/ns/net"), ours);
  cr_expect(says(podman, {}, "readlink /proc/self/ns/net") != ours);
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, run_with_an_init_has_it_as_first_process) {
  REQUIRE_ENGINE(kNeeds);
  if (!exists("/usr/bin/catatonit")) cr_skip("needs catatonit(1)");
  const Podman podman;
  const Ran ran = podman({"run", "--rm", "--init", "app", "sh", "-c", "cat /proc/1/comm; exit 5"});
  EXPECT_STATUS(ran, 5);
  EXPECT_TEXT(ran.out, "podman-init\n");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, run_passes_open_files) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  const std::string command = "exec 3<<E\npassed\nE\nexec \"$@\"";
  Words words = {"/bin/bash", "-c", command, "-"};
  for (const char* word : {"/usr/bin/podman", "--root"}) words.emplace_back(word);
  words.push_back(Session::path() + "/store");
  for (const std::string& word :
       {std::string("--runroot"), std::string("/run/podman"), std::string("--tmpdir"), std::string("/run/libpod"),
        std::string("--log-level=error"), std::string("--storage-driver=overlay")})
    words.push_back(word);
  for (const char* word :
       {"run", "--rm", "--preserve-fds", "1", "app", "sh", "-c", "cat <&3; ls /proc/self/fd | wc -l"})
    words.emplace_back(word);
  const Ran ran = start_beside_engines(words).wait();
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.out, "passed\n5\n");  // and the directory that ls reads
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, run_without_cgroups_makes_none) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  const Ran ran = podman(
      {"run", "--detach", "--name", "free", "--cgroups", "disabled", "--cgroupns", "host", "app", "sleep", "1000"});
  EXPECT_STATUS(ran, 0);
  EXPECT_CONTAINS(podman({"exec", "free", "cat", "/proc/1/cgroup"}).out, "0::/runner\n");
  remove(podman, "free");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, hears_that_a_container_is_ready_from_the_container) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  const std::string path = Session::path() + "/tmp/notify";
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  cr_assert(path.size() < sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  const int ear = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  cr_assert(bind(ear, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  const Ran ran = podman({"run", "--detach", "--name", "ready", "--sdnotify", "container", "app", "sh", "-c",
                          "testbox notify READY=1; exec sleep 1000"},
                         {.environment = {"NOTIFY_SOCKET=" + path}});
  EXPECT_STATUS(ran, 0);
  std::string heard;
  comes_true([&] {
    char message[512];
    for (ssize_t got; (got = recv(ear, message, sizeof message, 0)) > 0;)
      heard.append(message, static_cast<size_t>(got)) += "\n";
    return heard.find("READY=1") != heard.npos;
  });
  EXPECT_CONTAINS(heard, "READY=1");
  close(ear);
  unlink(path.c_str());
  remove(podman, "ready");
  EXPECT_NOTHING_LEFT(podman);
}

// --- a container that stays -----------------------------------------------------------------------------------------

Test(podman, detached_containers_are_seen_logged_and_remembered) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  EXPECT_STATUS(podman({"run", "--detach", "--name", "told", "app", "sh", "-c", "echo out; echo err >&2; exit 6"}), 0);
  EXPECT_TEXT(podman({"wait", "told"}).out, "6\n");
  const Ran logs = podman({"logs", "told"});
  EXPECT_TEXT(logs.out, "out\n");
  EXPECT_TEXT(logs.err, "err\n");
  EXPECT_TEXT(inspect(podman, "told", ".State.Status}} {{.State.ExitCode}} {{.State.OOMKilled"), "exited 6 false");
  EXPECT_STATUS(podman({"rm", "told"}), 0);
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, exec_runs_a_command_in_the_container) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  start_sleeper(podman, "base", {"--env", "BASE=base", "--hostname", "base"});
  const Ran ran = podman({"exec", "--interactive", "--env", "MORE=more", "--user", "app", "--workdir", "/tmp", "base",
                          "sh", "-c", "cat; echo $BASE $MORE $PWD $(id -u) $(hostname); echo wrong >&2; exit 9"},
                         {.input = "in\n"});
  EXPECT_STATUS(ran, 9);
  EXPECT_TEXT(ran.out, "in\nbase more /tmp 1000 base\n");
  EXPECT_CONTAINS(ran.err, "wrong\n");
  EXPECT_STATUS(podman({"exec", "base", "nosuch"}), 127);
  EXPECT_STATUS(podman({"exec", "base", "/app/bin/not-executable"}), 126);
  EXPECT_STATUS(podman({"exec", "base", "sh", "-c", "kill -KILL $$"}), 137);
  // Confined as the container is.
  const std::string facts = "grep -E '^(Cap...|Seccomp|Seccomp_filters|NoNewPrivs):' /proc/self/status";
  EXPECT_TEXT(
      podman({"exec", "base", "sh", "-c", facts}).out,
      podman({"exec", "base", "sh", "-c", "grep -E '^(Cap...|Seccomp|Seccomp_filters|NoNewPrivs):' /proc/1/status"})
          .out);
  EXPECT_STATUS(podman({"exec", "--detach", "base", "sh", "-c", "touch /detached; sleep 1000"}), 0);
  cr_expect(comes_true([&] { return podman({"exec", "base", "test", "-e", "/detached"}).status == 0; }));
  remove(podman, "base");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, exec_with_a_terminal_has_one) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  start_sleeper(podman, "base");
  Program shell = podman.start({"exec", "--interactive", "--tty", "base", "sh"}, {.terminal = true});
  cr_expect(shell.expect("# "));
  shell.type("testbox is-tty\n");
  cr_expect(shell.expect("controlling=yes"));
  shell.type("until [ \"$(testbox winsize)\" = '30 100' ]; do :; done; echo resi''zed\n");
  shell.resize(30, 100);
  cr_expect(shell.expect("resized"));
  shell.type("exit 4\n");
  EXPECT_STATUS(shell.wait(), 4);
  remove(podman, "base");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, stop_asks_first_and_kills_after_its_time) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  EXPECT_STATUS(podman({"run", "--detach", "--name", "deaf", "app", "testbox", "ignore-term"}), 0);
  timespec start{};
  clock_gettime(CLOCK_MONOTONIC, &start);
  EXPECT_STATUS(podman({"stop", "--time", "2", "deaf"}), 0);
  cr_expect(seconds_since(start) >= 2, "after %f seconds", seconds_since(start));
  EXPECT_TEXT(inspect(podman, "deaf", ".State.ExitCode"), "137");
  // The same container once more, this time asked for its end with a signal that it has a handler for.
  EXPECT_STATUS(podman({"rm", "deaf"}), 0);
  EXPECT_STATUS(podman({"run", "--detach", "--name", "polite", "app", "sh", "-c",
                        "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done"}),
                0);
  cr_expect(comes_true([&] { return podman({"logs", "polite"}).out == "ready\n"; }));
  EXPECT_STATUS(podman({"stop", "--time", "60", "polite"}), 0);
  EXPECT_TEXT(inspect(podman, "polite", ".State.Status}} {{.State.ExitCode"), "exited 3");
  EXPECT_STATUS(podman({"start", "polite"}), 0);
  EXPECT_TEXT(inspect(podman, "polite", ".State.Status"), "running");
  remove(podman, "polite");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, kill_delivers_the_signal) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  EXPECT_STATUS(podman({"run", "--detach", "--name", "ear", "app", "testbox", "tell-signals"}), 0);
  cr_expect(comes_true([&] { return podman({"logs", "ear"}).out == "ready\n"; }));
  EXPECT_STATUS(podman({"kill", "--signal", "USR1", "ear"}), 0);
  cr_expect(comes_true([&] { return podman({"logs", "ear"}).out == "ready\nSIGUSR1\n"; }));
  cr_expect(podman({"rm", "ear"}).status != 0, "a running container was removed without --force");
  EXPECT_STATUS(podman({"kill", "ear"}), 0);
  EXPECT_TEXT(podman({"wait", "ear"}).out, "137\n");
  cr_expect(podman({"kill", "ear"}).status != 0, "a stopped container was killed");
  EXPECT_STATUS(podman({"rm", "ear"}), 0);
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, pause_stops_all_processes_and_unpause_lets_them_go_on) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  EXPECT_STATUS(
      podman({"run", "--detach", "--name", "ticks", "app", "sh", "-c", "while :; do echo x; sleep 0.05; done"}), 0);
  EXPECT_STATUS(podman({"pause", "ticks"}), 0);
  EXPECT_TEXT(inspect(podman, "ticks", ".State.Status"), "paused");
  const std::string before = podman({"logs", "ticks"}).out;
  sleep_milliseconds(300);
  EXPECT_TEXT(podman({"logs", "ticks"}).out, before);
  cr_expect(podman({"exec", "ticks", "true"}).status != 0);
  EXPECT_STATUS(podman({"unpause", "ticks"}), 0);
  cr_expect(comes_true([&] { return podman({"logs", "ticks"}).out.size() > before.size(); }));
  EXPECT_STATUS(podman({"pause", "ticks"}), 0);
  remove(podman, "ticks");  // a paused one can be killed
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, top_lists_the_processes) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  start_sleeper(podman, "base");
  const Ran ran = podman({"top", "base", "pid", "user", "comm"});
  EXPECT_STATUS(ran, 0);
  EXPECT_CONTAINS(ran.out, "sleep");
  remove(podman, "base");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, health_is_what_its_command_says) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  start_sleeper(podman, "base", {"--health-cmd", "test -e /app/README", "--health-interval", "disable"});
  EXPECT_STATUS(podman({"healthcheck", "run", "base"}), 0);
  EXPECT_STATUS(podman({"exec", "base", "rm", "/app/README"}), 0);
  EXPECT_STATUS(podman({"healthcheck", "run", "base"}), 1);
  remove(podman, "base");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, checkpoint_without_criu_is_refused_with_a_reason) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  // Without criu(8) on this machine, or with one that nobody can execute.
  const std::string none = convox::cat(Session::path(), "/no-criu");
  write_file(none, "");
  if (exists("/usr/sbin/criu")) cr_assert(mount(none.c_str(), "/usr/sbin/criu", nullptr, MS_BIND, nullptr) == 0, "%m");
  start_sleeper(podman, "base");
  const Ran ran = podman({"container", "checkpoint", "base"});
  EXPECT_STATUS(ran, 125);
  cr_expect(ran.err.find("CRIU") != ran.err.npos || ran.err.find("checkpoint") != ran.err.npos, "%s", ran.err.c_str());
  EXPECT_TEXT(inspect(podman, "base", ".State.Status"), "running");
  remove(podman, "base");
  if (exists("/usr/sbin/criu")) umount("/usr/sbin/criu");
  unlink(none.c_str());
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, pods_share_a_network_a_name_and_their_ipc) {
  REQUIRE_ENGINE(kNeeds);
  const Podman podman;
  // Their groups do not share a parent: without systemd, Podman 4 gives the pod's group a filter that allows no device.
  EXPECT_STATUS(podman({"pod", "create", "--name", "pod", "--infra-image", "localhost/app", "--infra-command",
                        "/bin/sleep 1000", "--share", "net,ipc,uts", "--share-parent=false", "--hostname", "podded"}),
                0);
  const std::string facts = "hostname; for x in net ipc uts; do readlink /proc/self/ns/$x; done; exec cat /proc/1/comm";
  const Ran one = podman({"run", "--rm", "--pod", "pod", "app", "sh", "-c", facts});
  const Ran two = podman({"run", "--rm", "--pod", "pod", "app", "sh", "-c", facts});
  EXPECT_STATUS(one, 0);
  EXPECT_CONTAINS(one.out, "podded\nnet:");
  EXPECT_CONTAINS(one.out, "cat\n");  // its own processes
  EXPECT_TEXT(two.out, one.out);
  EXPECT_STATUS(podman({"pod", "rm", "--force", "--time", "0", "pod"}), 0);
  EXPECT_NOTHING_LEFT(podman);
}

// --- with cgroup controllers
// ------------------------------------------------------------------------------------------

Test(podman, memory_beyond_the_limit_ends_with_137) {
  REQUIRE_ENGINE(kControllers);
  const Podman podman;
  EXPECT_STATUS(podman({"run", "--name", "eater", "--memory", "32m", "app", "testbox", "eat", "200"}), 137);
  // Not .State.OOMKilled: conmon learns of it by inotify, and the end of the container may overtake that.
  EXPECT_TEXT(inspect(podman, "eater", ".State.ExitCode"), "137");
  EXPECT_STATUS(podman({"rm", "eater"}), 0);
  EXPECT_TEXT(
      says(podman,
           {"--memory", "64m", "--memory-swap", "64m", "--pids-limit", "20", "--cpus", "0.5", "--cpuset-cpus", "1"},
           "cd /sys/fs/cgroup; cat memory.max memory.swap.max pids.max cpu.max cpuset.cpus.effective; "
           "exec testbox fork-bomb"),
      "67108864\n0\n20\n50000 100000\n1\nchildren=19 EAGAIN");
  EXPECT_NOTHING_LEFT(podman);
}

Test(podman, update_changes_limits_and_stats_tells_what_is_used) {
  REQUIRE_ENGINE(kControllers);
  const Podman podman;
  EXPECT_STATUS(
      podman({"run", "--detach", "--name", "base", "--memory", "64m", "app", "testbox", "hold", "16", "1000"}), 0);
  EXPECT_STATUS(podman({"update", "--memory", "128m", "--cpus", "0.25", "base"}), 0);
  EXPECT_TEXT(podman({"exec", "base", "sh", "-c", "cd /sys/fs/cgroup; cat memory.max cpu.max"}).out,
              "134217728\n25000 100000\n");
  const Ran stats = podman({"stats", "--no-stream", "--format", "{{.MemUsageBytes}} {{.PIDs}}", "base"});
  EXPECT_STATUS(stats, 0);
  EXPECT_CONTAINS(stats.out, "16.");
  EXPECT_CONTAINS(stats.out, "MiB 1\n");
  remove(podman, "base");
  EXPECT_NOTHING_LEFT(podman);
}
