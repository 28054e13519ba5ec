// A second process in a running container: where it stands, what it may do, and what its caller hears of it.
#include <sys/stat.h>
#include <unistd.h>

#include "tests/oci/support/container.h"

using namespace convox::test;

namespace {

constexpr const char* kProcess =
    R"({"args":["/testbox","confinement"],"cwd":"/","env":["PATH=/bin"],"user":{"uid":0,"gid":0}})";

// A running container that sleeps.
struct Running : Container {
  Running() { sh("sleep 1000"); }
};
// 255 is what runc gives, and what we give; crun gives 1 or 255.
#define EXPECT_FAILED_EXEC(ran)                                                                               \
  cr_expect(ran.status == 255 || (judged() == Crun && ran.status == 1), "status %d, not 255: %s", ran.status, \
            ran.err.c_str())

}  // namespace

Test(exec, gives_output_and_status_of_the_command) {
  REQUIRE_CONTAINERS();
  Running box;
  box.launch();
  const Ran ran = box.exec({"/bin/sh", "-c", "cat; echo err >&2; exit 6"}, {}, {.input = "in\n"});
  EXPECT_STATUS(ran, 6);
  EXPECT_TEXT(ran.out, "in\n");
  EXPECT_TEXT(ran.err, "err\n");
}

Test(exec, gives_128_plus_the_signal) {
  REQUIRE_CONTAINERS();
  Running box;
  box.launch();
  EXPECT_STATUS(box.exec({"/bin/sh", "-c", "kill -9 $$"}), 128 + SIGKILL);
}

Test(exec, stands_in_all_namespaces_and_the_cgroup_of_the_container) {
  REQUIRE_CONTAINERS();
  Running box;
  box.launch();
  const int pid = box.pid();
  const std::string out = box.exec({"/testbox", "confinement"}).out;
  for (const char* kind : {"pid", "net", "ipc", "uts", "mnt", "cgroup"})
    EXPECT_FACT(out, cat("namespace_", kind), link_text(cat("/proc/", pid, "/ns/", kind)));
  EXPECT_CONTAINS(out, "cgroup=0::/\n");
  EXPECT_FACT(out, "hostname", "box");
}

Test(exec, flags_end_at_the_id) {
  REQUIRE_CONTAINERS();
  Running box;
  box.launch();
  const Ran ran = box.exec({"/bin/echo", "-n", "--detach", "-t"});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.out, "--detach -t");
}

Test(exec, takes_user_directory_and_environment_from_flags) {
  REQUIRE_CONTAINERS();
  Running box;
  box.launch();
  const std::string out = box.exec({"/testbox", "confinement"},
                                   {"--user", "1000:1001", "--cwd", "/tmp", "--env", "A=1", "--env", "B=two words"})
                              .out;
  EXPECT_FACT(out, "uids", "1000 1000 1000");
  EXPECT_FACT(out, "gids", "1001 1001 1001");
  EXPECT_FACT(out, "cwd", "/tmp");
  EXPECT_LINE(out, "env=A=1");
  EXPECT_LINE(out, "env=B=two words");
  if (judged() != Crun) EXPECT_LINE(out, "env=PATH=/sbin:/bin");
}

Test(exec, takes_additional_groups_and_capabilities_from_flags) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "exec has no --additional-gids");
  Running box;
  box.launch();
  const std::string out = box.exec({"/testbox", "confinement"},
                                   {"--additional-gids", "7", "--additional-gids", "8", "--cap", "CAP_SYS_ADMIN"})
                              .out;
  EXPECT_CONTAINS(" " + fact(out, "groups") + " ", " 7 8 ");
  const auto effective = std::stoull(fact(out, "cap_effective"), nullptr, 16);
  const bool added = effective >> 21 & 1;
  cr_expect(added, "%llx", effective);
}

Test(exec, a_process_file_replaces_everything_it_names) {
  REQUIRE_CONTAINERS();
  Running box;
  box.launch();
  const Ran ran = box.exec_process(R"({"args":["/testbox","confinement"],"cwd":"/tmp","env":["ONLY=this"],
      "user":{"uid":1000,"gid":1000,"additionalGids":[5]},"capabilities":{},"noNewPrivileges":true})");
  EXPECT_STATUS(ran, 0);
  EXPECT_FACT(ran.out, "uids", "1000 1000 1000");
  EXPECT_FACT(ran.out, "cwd", "/tmp");
  EXPECT_LINE(ran.out, "env=ONLY=this");
  EXPECT_FACT(ran.out, "cap_bounding", "0000000000000000");
  EXPECT_FACT(ran.out, "no_new_privs", "1");
  cr_expect(ran.out.find("env=TERM") == std::string::npos);
}

Test(exec, what_a_process_file_leaves_out_is_the_containers) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "takes an absent set of capabilities as none");
  Running box;
  box.set("/process/rlimits", R"([{"type":"RLIMIT_NOFILE","soft":100,"hard":200}])");
  box.launch();
  const std::string out = box.exec_process(kProcess).out;
  const std::string first = read_file(cat("/proc/", box.pid(), "/status"));
  EXPECT_CONTAINS(first, "CapBnd:\t" + fact(out, "cap_bounding"));
  if (is_convox()) EXPECT_FACT(out, "rlimit_nofile", "100 200");
}

Test(exec, gets_no_more_capabilities_than_the_container) {
  REQUIRE_CONTAINERS();
  Running box;
  box.set("/process/capabilities", R"({"bounding":["CAP_CHOWN"],"effective":["CAP_CHOWN"],"permitted":["CAP_CHOWN"]})");
  box.launch();
  const std::string out = box.exec({"/testbox", "confinement"}).out;
  EXPECT_FACT(out, "cap_bounding", "0000000000000001");
  EXPECT_FACT(out, "cap_effective", "0000000000000001");
  EXPECT_FACT(out, "cap_inheritable", "0000000000000000");
  EXPECT_FACT(out, "cap_ambient", "0000000000000000");
  if (judged() != Crun) EXPECT_FACT(out, "no_new_privs", "1");
}

Test(exec, has_the_containers_seccomp_filter) {
  REQUIRE_CONTAINERS();
  Running box;
  box.set("/linux/seccomp", R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["sethostname"],
      "action":"SCMP_ACT_ERRNO","errnoRet":95}]})");
  box.launch();
  EXPECT_LINE(box.exec({"/testbox", "try-syscall", "sethostname"}).out, "sethostname=EOPNOTSUPP");
}

Test(exec, detached_returns_with_a_pid_file_that_names_it) {
  REQUIRE_CONTAINERS();
  Running box;
  box.launch();
  const Ran ran = run(
      {.argv = {"/bin/sh", "-c", "exec \"$@\" <../in >>../out 2>>../err", "sh", runtime_path(), "--root", box.root(),
                "exec", "--detach", "--pid-file", box.path() + "/exec-pid", box.id(), "/bin/sleep", "1000"},
       .environment = {"PATH=/usr/sbin:/usr/bin"},
       .directory = box.bundle()});
  cr_expect(ran.status == 0);
  const std::string pid = read_file(box.path() + "/exec-pid");
  EXPECT_TEXT(read_file(cat("/proc/", pid, "/comm")), "sleep\n");
  cr_expect(read_file(cat("/proc/", pid, "/stat")).find(cat(" ", getpid(), " ")) != std::string::npos,
            "it is not re-parented to the caller's subreaper");
}

Test(exec, a_missing_command_has_podmans_words_and_no_pid_file) {
  REQUIRE_CONTAINERS();
  Running box;
  box.launch();
  const Ran ran = box.exec({"no-such-command"}, {"--pid-file", box.path() + "/exec-pid"});
  EXPECT_FAILED_EXEC(ran);
  EXPECT_CONTAINS(ran.err, "executable file");
  if (is_convox()) EXPECT_CONTAINS(ran.err, "executable file not found in $PATH");
  cr_expect(exists(box.path() + "/exec-pid") == false);
}

Test(exec, a_command_that_cannot_be_executed_is_permission_denied) {
  REQUIRE_CONTAINERS();
  Running box;
  write_file(box.rootfs() + "/plain", "", 0644);
  box.launch();
  const Ran ran = box.exec({"/plain"});
  EXPECT_FAILED_EXEC(ran);
  EXPECT_CONTAINS(ran.err, "ermission denied");
}

Test(exec, a_directory_that_is_not_there_is_refused) {
  REQUIRE_CONTAINERS();
  Running box;
  box.launch();
  const Ran ran = box.exec({"/bin/true"}, {"--cwd", "/no/such/directory"});
  cr_expect(ran.status != 0);
  if (is_convox()) {
    EXPECT_CONTAINS(ran.err, "/no/such/directory");
    EXPECT_CONTAINS(ran.err, "no such file or directory");
  }
}

Test(exec, in_a_stopped_container_is_refused) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("exit 0");
  box.launch();
  box.reap(box.pid());
  const Ran ran = box.exec({"/bin/true"});
  EXPECT_FAILED_EXEC(ran);
  if (is_convox()) EXPECT_CONTAINS(ran.err, "cannot exec in a stopped container");
}

Test(exec, in_a_paused_container_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "waits in the frozen cgroup");
  Running box;
  box.launch();
  box.call({"pause", box.id()});
  const Ran ran = box.exec({"/bin/true"});
  EXPECT_FAILED_EXEC(ran);
  EXPECT_CONTAINS(ran.err, "cannot exec in a paused container");
}

Test(exec, in_a_paused_container_begins_when_it_is_resumed_if_asked_to_wait) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "has no --ignore-paused");
  Running box;
  box.launch();
  box.call({"pause", box.id()});
  Program waiting = box.start_call({"exec", "--ignore-paused", box.id(), "/bin/echo", "thawed"});
  sleep_milliseconds(200L * slowness());
  EXPECT_STATUS(box.bare({"resume", box.id()}), 0);
  cr_expect(waiting.expect("thawed"));
  EXPECT_STATUS(waiting.wait(), 0);
}

Test(exec, in_a_created_container_works) {
  REQUIRE_CONTAINERS();
  Running box;
  box.create();
  EXPECT_STATUS(box.exec({"/bin/true"}), 0);
}

Test(exec, passes_signals_on) {
  REQUIRE_CONTAINERS();
  Running box;
  box.launch();
  Program exec = box.start_call({"exec", box.id(), "/testbox", "tell-signals"});
  cr_expect(exec.expect("ready"));
  exec.signal(SIGUSR2);
  cr_expect(exec.expect("SIGUSR2"));
  exec.signal(SIGTERM);
  EXPECT_STATUS(exec.wait(), 128 + SIGTERM);
}

Test(exec, relays_a_terminal_and_its_size) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "begins with a size of zero");
  Running box;
  box.launch();
  Program exec = box.start_call(
      {"exec", "--tty", box.id(), "/bin/sh", "-c", "tty; while stty size; do sleep 0.1; done"}, {.terminal = true});
  cr_expect(exec.expect("/dev/pts/"));
  cr_expect(exec.expect("24 80"));
  exec.resize(40, 100);
  cr_expect(exec.expect("40 100"));
  box.bare({"kill", box.id(), "KILL"});
  cr_expect(exec.wait().status == 128 + SIGKILL);
}

Test(exec, gets_no_descriptor_but_the_three) {
  REQUIRE_CONTAINERS();
  Running box;
  box.launch();
  Start how{.environment = {"PATH=/usr/sbin:/usr/bin"}, .directory = box.bundle()};
  how.argv = {"/bin/sh",  "-c",           "exec \"$@\" 3<../in 7<. </dev/null",
              "sh",       runtime_path(), "--root",
              box.root(), "exec",         box.id(),
              "/testbox", "confinement"};
  how.argv[2] = "exec \"$@\" 3<../in 7<. <../in";
  const Ran ran = run(how);
  EXPECT_STATUS(ran, 0);
  for (int fd = 3; fd < 20; ++fd) EXPECT_FACT(ran.out, cat("fd_", fd), "absent");
}

Test(exec, preserves_descriptors_that_were_asked_for) {
  REQUIRE_CONTAINERS();
  Running box;
  box.launch();
  Start how{.environment = {"PATH=/usr/sbin:/usr/bin"}, .directory = box.bundle()};
  how.argv = {"/bin/sh",    "-c",           "exec \"$@\" 3<../in 4<../in <../in",
              "sh",         runtime_path(), "--root",
              box.root(),   "exec",         "--preserve-fds",
              "1",          box.id(),       "/testbox",
              "confinement"};
  const Ran ran = run(how);
  EXPECT_FACT(ran.out, "fd_3", box.path() + "/in");
  EXPECT_FACT(ran.out, "fd_4", "absent");
}

Test(exec, stands_in_the_sub_cgroup_that_was_named) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "makes the group only with controllers");
  Running box;
  box.set("/mounts/-", R"({"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["rw"]})");
  box.launch();
  make_directories(box.cgroup() + "/sub");
  EXPECT_CONTAINS(box.exec({"/bin/cat", "/proc/self/cgroup"}, {"--cgroup", "/sub"}).out, "0::/sub\n");
}

Test(exec, a_sub_cgroup_outside_the_containers_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "makes the group only with controllers");
  Running box;
  box.launch();
  cr_expect(box.exec({"/bin/true"}, {"--cgroup", "/../runner"}).status != 0);
}

Test(exec, home_is_the_users_if_the_environment_has_none) {
  REQUIRE_CONTAINERS();
  Running box;
  box.launch();
  const std::string process =
      R"({"args":["/bin/sh","-c","echo $HOME"],"cwd":"/","env":["PATH=/bin"],"user":{"uid":1000,"gid":1000}})";
  EXPECT_TEXT(box.exec_process(process).out, "/home/user\n");
}

Test(exec, many_at_once_all_succeed) {
  REQUIRE_CONTAINERS();
  Running box;
  box.launch();
  std::vector<Program> all;
  all.reserve(8);
  for (int number = 0; number < 8; ++number)
    all.push_back(Program({.argv = {runtime_path(), "--root", box.root(), "exec", box.id(), "/bin/echo", cat(number)},
                           .environment = {"PATH=/usr/sbin:/usr/bin"},
                           .directory = box.bundle()}));
  for (int number = 0; number < 8; ++number) {
    const Ran ran = all[static_cast<std::size_t>(number)].wait();
    EXPECT_STATUS(ran, 0);
    EXPECT_TEXT(ran.out, cat(number, "\n"));
  }
}
