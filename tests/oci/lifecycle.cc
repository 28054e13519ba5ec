// From create to delete: what each verb does to a container, in which order the phases come, and what may not be done
// in which.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/oci/support/container.h"

using namespace convox::test;

Test(lifecycle, create_stops_before_the_command_and_start_executes_it) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("echo hello; sleep 1000");
  EXPECT_STATUS(box.create(), 0);
  EXPECT_TEXT(box.status(), "created");
  EXPECT_TEXT(box.out(), "");
  EXPECT_STATUS(box.start(), 0);
  cr_expect(box.says("hello\n"));
  EXPECT_TEXT(box.status(), "running");
}

Test(lifecycle, the_first_process_becomes_the_callers_child) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("exit 7");
  box.create();
  const int pid = box.pid();
  cr_expect(pid > 0);
  // No other process of the runtime may be left between the two.
  cr_expect(read_file(cat("/proc/", pid, "/stat")).find(cat(" ", getpid(), " ")) != std::string::npos, "%s",
            read_file(cat("/proc/", pid, "/stat")).c_str());
  EXPECT_STATUS(box.start(), 0);
  cr_expect(box.reap(pid) == 7);
  EXPECT_TEXT(box.status(), "stopped");
}

Test(lifecycle, everything_is_gone_after_delete) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("exit 0");
  box.launch();
  box.reap(box.pid());
  cr_expect(box.stops());
  EXPECT_STATUS(box.call({"delete", box.id()}), 0);
  EXPECT_TEXT(box.status(), "absent");
  EXPECT_NOTHING_LEFT(box);
}

Test(lifecycle, run_gives_the_status_of_the_command_and_leaves_nothing) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("exit 7");
  EXPECT_STATUS(box.run(), 7);
  EXPECT_TEXT(box.status(), "absent");
  EXPECT_NOTHING_LEFT(box);
}

Test(lifecycle, run_gives_128_plus_the_signal_that_ended_the_command) {
  REQUIRE_CONTAINERS();
  Container box;
  box.testbox({"crash"});
  EXPECT_STATUS(box.run(), 128 + SIGSEGV);
}

Test(lifecycle, run_detached_returns_while_the_command_runs) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  const Ran ran = box.detached("run", {"--detach"});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(box.status(), "running");
}

Test(lifecycle, run_with_keep_leaves_a_stopped_container) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "run --keep comes with 1.9");
  Container box;
  box.sh("exit 3");
  EXPECT_STATUS(box.run({"--keep"}), 3);
  EXPECT_TEXT(box.status(), "stopped");
  EXPECT_STATUS(box.call({"delete", box.id()}), 0);
}

Test(lifecycle, a_foreground_run_passes_signals_to_the_command) {
  REQUIRE_CONTAINERS();
  Container box;
  box.testbox({"tell-signals"});
  box.write_config();
  Program run = box.start_call({"run", "--bundle", box.bundle(), box.id()});
  cr_expect(run.expect("ready"));
  run.signal(SIGUSR1);
  cr_expect(run.expect("SIGUSR1"));
  run.signal(SIGTERM);
  EXPECT_STATUS(run.wait(), 128 + SIGTERM);
}

Test(lifecycle, the_current_directory_is_the_bundle_if_none_is_named) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("echo here");
  box.write_config();
  EXPECT_CONTAINS(box.call({"run", box.id()}).out, "here\n");
}

Test(lifecycle, a_config_may_have_another_name) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "has no --config");
  Container box;
  box.sh("exit 8");
  write_file(box.bundle() + "/other.json", box.config());
  box.sh("exit 9");
  EXPECT_STATUS(box.run({"--config", "other.json"}), 8);
}

Test(lifecycle, a_config_that_changes_after_create_has_no_effect) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("echo first; sleep 1000");
  box.create();
  box.sh("echo second; sleep 1000");
  box.write_config();
  EXPECT_STATUS(box.start(), 0);
  cr_expect(box.says("first"));
  EXPECT_TEXT(box.out(), "first\n");
}

Test(lifecycle, a_config_that_is_gone_after_create_has_no_effect) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "start reads the bundle's config.json again");
  Container box;
  box.sh("echo first; sleep 1000");
  box.create();
  unlink((box.bundle() + "/config.json").c_str());
  EXPECT_STATUS(box.start(), 0);
  cr_expect(box.says("first"));
  EXPECT_STATUS(box.exec({"/bin/true"}), 0);
  EXPECT_STATUS(box.call({"delete", "--force", box.id()}), 0);
}

Test(lifecycle, a_container_starts_once) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.launch();
  EXPECT_REFUSED(box.start(), "cannot start an already running container");
  EXPECT_TEXT(box.status(), "running");
}

Test(lifecycle, a_stopped_container_does_not_start) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("exit 0");
  box.launch();
  box.reap(box.pid());
  EXPECT_REFUSED(box.start(), "cannot start a container that has stopped");
}

Test(lifecycle, of_two_starts_at_once_one_wins) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("echo started; sleep 1000");
  box.create();
  Program first = box.start_call({"start", box.id()}), second = box.start_call({"start", box.id()});
  const int won = (first.wait().status == 0) + (second.wait().status == 0);
  cr_expect(won == 1, "%d of two starts succeeded", won);
  cr_expect(box.says("started"));
  EXPECT_TEXT(box.out(), "started\n");
}

Test(lifecycle, of_two_creates_at_once_one_wins_and_the_other_harms_nothing) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "let the loser's error handling remove the winner's state");
  Container box;
  box.sh("echo started; sleep 1000");
  box.write_config();
  const auto create = [&box] {
    return Program({.argv = {"/bin/sh", "-c", "exec \"$@\" <../in >>../out 2>/dev/null", "sh", runtime_path(), "--root",
                             box.root(), "create", box.id()},
                    .directory = box.bundle()});
  };
  Program first = create(), second = create();
  const int won = (first.wait().status == 0) + (second.wait().status == 0);
  cr_expect(won == 1, "%d of two creates succeeded", won);
  EXPECT_STATUS(box.start(), 0);
  cr_expect(box.says("started"));
}

Test(lifecycle, start_tells_why_the_command_cannot_be_executed) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "start cannot report execve's errno");
  Container box;
  write_file(box.rootfs() + "/bin/broken", "#!/no/such/interpreter\n", 0755);
  box.args({"/bin/broken"});
  EXPECT_STATUS(box.create(), 0);
  EXPECT_REFUSED(box.start(), "no such file or directory");
  cr_expect(box.stops());
}

Test(lifecycle, a_pid_file_holds_the_decimal_pid_and_no_newline) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  EXPECT_STATUS(box.create({"--pid-file", box.path() + "/pid"}), 0);
  EXPECT_TEXT(read_file(box.path() + "/pid"), cat(box.pid()));
}

Test(lifecycle, a_pid_file_that_is_a_link_is_replaced_and_not_followed) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "writes through the link");
  Container box;
  box.sh("sleep 1000");
  write_file(box.path() + "/precious", "precious");
  make_link("precious", box.path() + "/pid");
  box.create({"--pid-file", box.path() + "/pid"});
  EXPECT_TEXT(read_file(box.path() + "/precious"), "precious");
  EXPECT_TEXT(read_file(box.path() + "/pid"), cat(box.pid()));
}

Test(lifecycle, a_pid_file_that_cannot_be_written_fails_create_and_leaves_nothing) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "leaves the container behind");
  Container box;
  box.sh("sleep 1000");
  EXPECT_REFUSED(box.create({"--pid-file", box.path() + "/no/such/directory/pid"}), "no such file or directory");
  EXPECT_TEXT(box.status(), "absent");
  EXPECT_NOTHING_LEFT(box);
}

Test(lifecycle, the_namespaces_of_a_created_container_are_those_of_the_command) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("readlink /proc/self/ns/net; sleep 1000");
  box.create();
  const std::string link = link_text(cat("/proc/", box.pid(), "/ns/net"));
  box.start();
  cr_expect(box.says(link + "\n"), "%s is not %s", box.out().c_str(), link.c_str());
}

Test(lifecycle, list_shows_every_container_as_a_table_and_as_json) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.create();
  const Ran table = box.call({"list"}), json = box.call({"list", "--format=json"});
  EXPECT_STATUS(table, 0);
  for (const char* title : {"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}) {
    if (!is_convox() && std::string(title) == "BUNDLE") continue;
    EXPECT_CONTAINS(table.out, title);
  }
  EXPECT_CONTAINS(table.out, box.id());
  EXPECT_AT(json.out, "/0/id", box.id());
  EXPECT_AT(json.out, "/0/status", "created");
  EXPECT_AT(json.out, "/1", "absent");
}

Test(lifecycle, list_quiet_shows_ids_alone) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.create();
  EXPECT_TEXT(box.call({"list", "-q"}).out, box.id() + "\n");
}

Test(lifecycle, list_of_nothing_is_an_empty_list) {
  REQUIRE_CONTAINERS();
  Container box;
  const Ran json = box.call({"list", "--format=json"});
  EXPECT_STATUS(json, 0);
  const std::string empty = at(json.out, "");
  cr_expect(empty == "null" || empty == "[]", "%s", json.out.c_str());
  EXPECT_TEXT(box.call({"list", "-q"}).out, "");
}

Test(lifecycle, ps_lists_the_processes_as_the_caller_numbers_them) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1001 & sleep 1002 & echo up; wait");
  box.launch();
  cr_expect(box.says("up"));
  std::string list;
  cr_expect(comes_true([&] {
    list = box.call({"ps", "--format", "json", box.id()}).out;
    return at(list, "/2") != "absent";
  }));
  cr_expect(list.find(cat(box.pid())) != std::string::npos, "%s", list.c_str());
  EXPECT_AT(list, "/3", "absent");
}

Test(lifecycle, ps_as_a_table_takes_the_options_of_the_hosts_ps) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "its table is one column of numbers");
  Container box;
  box.sh("sleep 1000");
  box.launch();
  const int pid = box.pid();
  const Ran table = box.call({"ps", "--format", "table", box.id(), "-o", "pid,args"});
  EXPECT_STATUS(table, 0);
  EXPECT_CONTAINS(table.out, "PID");
  EXPECT_CONTAINS(table.out, cat(pid));
  EXPECT_STATUS(box.call({"ps", box.id()}), 0);
}

Test(lifecycle, pause_freezes_and_resume_thaws) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.launch();
  EXPECT_STATUS(box.call({"pause", box.id()}), 0);
  EXPECT_TEXT(box.status(), "paused");
  EXPECT_CONTAINS(box.limit("cgroup.events"), "frozen 1");
  EXPECT_STATUS(box.call({"resume", box.id()}), 0);
  EXPECT_TEXT(box.status(), "running");
  EXPECT_CONTAINS(box.limit("cgroup.events"), "frozen 0");
}

Test(lifecycle, what_is_not_paused_cannot_be_resumed) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "resumes anything");
  Container box;
  box.sh("sleep 1000");
  box.launch();
  EXPECT_REFUSED(box.call({"resume", box.id()}), "container not paused");
}

Test(lifecycle, what_does_not_run_cannot_be_paused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "pauses the empty cgroup");
  Container box;
  box.sh("exit 0");
  box.launch();
  box.reap(box.pid());
  EXPECT_REFUSED(box.call({"pause", box.id()}), "container not running");
}

Test(lifecycle, a_container_in_a_cgroup_that_has_processes_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "join the group");
  Container box, other;
  other.sh("sleep 1000");
  other.launch();
  box.set("/linux/cgroupsPath", quoted("/" + other.id()));
  EXPECT_REFUSED(box.create(), "cgroup");
  EXPECT_TEXT(box.status(), "absent");
  EXPECT_TEXT(other.status(), "running");
}

Test(lifecycle, containers_of_one_root_do_not_touch_each_other) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.launch();
  box.set("/linux/cgroupsPath", quoted(cat("/", box.id(), "-second")));
  box.sh("exit 4");
  box.write_config();
  EXPECT_STATUS(box.bare({"run", "second"}), 4);
  EXPECT_TEXT(box.status(), "running");
}
