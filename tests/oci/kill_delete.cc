// Signals and the end: kill in every phase, delete in every phase, twice, at once, and after damage.
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/oci/support/container.h"

using namespace convox::test;

namespace {

struct Teller : Container {
  Teller() { testbox({"tell-signals"}); }
  void launch_and_wait() {
    launch();
    cr_expect(says("ready"));
  }
};

Words files_in(const std::string& directory) {
  Words names;
  DIR* list = opendir(directory.c_str());
  while (const dirent* entry = list ? readdir(list) : nullptr)
    if (entry->d_type != DT_DIR) names.emplace_back(entry->d_name);
  if (list) closedir(list);
  return names;
}

}  // namespace

Test(kill, takes_a_number_or_a_name_in_any_form) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "knows no names in lower case");
  Teller box;
  box.launch_and_wait();
  int seen = 0;
  for (const char* name : {"10", "USR1", "SIGUSR1", "usr1", "sigusr1"}) {
    EXPECT_STATUS(box.call({"kill", box.id(), name}), 0);
    ++seen;
    cr_expect(comes_true([&] {
                std::size_t count = 0;
                const std::string out = box.out();
                for (std::size_t at = 0; (at = out.find("SIGUSR1", at)) != std::string::npos; ++at) ++count;
                return count == static_cast<std::size_t>(seen);
              }),
              "%s: %s", name, box.out().c_str());
  }
}

Test(kill, sends_term_if_no_signal_is_named) {
  REQUIRE_CONTAINERS();
  Teller box;
  box.launch_and_wait();
  const int pid = box.pid();
  EXPECT_STATUS(box.call({"kill", box.id()}), 0);
  cr_expect(box.reap(pid) == 128 + SIGTERM);
}

Test(kill, an_unknown_signal_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "sends signal 0 for a name that it does not know");
  Teller box;
  box.launch_and_wait();
  for (const char* name : {"NOSUCH", "-1", "1000", ""}) {
    if (judged() != Convox && (!*name || *name == '-' || *name == '1')) continue;
    EXPECT_REFUSED(box.call({"kill", box.id(), name}), "unknown signal");
  }
  EXPECT_TEXT(box.status(), "running");
}

Test(kill, ends_a_created_container) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("true");
  box.create();
  const int pid = box.pid();
  EXPECT_STATUS(box.call({"kill", box.id(), "KILL"}), 0);
  cr_expect(box.reap(pid) == 128 + SIGKILL);
  EXPECT_TEXT(box.status(), "stopped");
  EXPECT_STATUS(box.call({"delete", box.id()}), 0);
}

Test(kill, term_ends_a_created_container_although_it_is_a_pid_one) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "its waiting process ignores it");
  Container box;
  box.sh("true");
  box.create();
  EXPECT_STATUS(box.call({"kill", box.id(), "TERM"}), 0);
  cr_expect(box.stops());
}

Test(kill, ends_a_paused_container) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.launch();
  box.call({"pause", box.id()});
  EXPECT_STATUS(box.call({"kill", box.id(), "KILL"}), 0);
  cr_expect(box.stops());
}

Test(kill, of_a_stopped_container_is_not_running) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("exit 0");
  box.launch();
  box.reap(box.pid());
  EXPECT_REFUSED(box.call({"kill", box.id(), "TERM"}), "container not running");
}

Test(kill, reaches_the_first_process_only) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("/testbox tell-signals & sleep 0.2; exec /testbox tell-signals");
  box.launch();
  cr_expect(comes_true([&] {
    const std::string out = box.out();
    return out.find("ready", out.find("ready") + 1) != std::string::npos;
  }));
  EXPECT_STATUS(box.call({"kill", box.id(), "USR1"}), 0);
  cr_expect(box.says("SIGUSR1"));
  EXPECT_STATUS(box.call({"kill", box.id(), "USR2"}), 0);
  cr_expect(box.says("SIGUSR2"));
  const std::string out = box.out();
  cr_expect(out.find("SIGUSR1") == out.rfind("SIGUSR1"), "%s", out.c_str());
}

Test(kill, all_reaches_every_process_of_the_cgroup) {
  REQUIRE_CONTAINERS();
  Container box;
  box.namespace_of("pid");  // the host's: no first process whose end takes the others along
  box.sh("sleep 1001 & sleep 1002 & echo up; wait");
  box.launch();
  cr_expect(box.says("up"));
  EXPECT_STATUS(box.call({"kill", "--all", box.id(), "KILL"}), 0);
  cr_expect(comes_true([&] { return box.limit("cgroup.events").find("populated 0") != std::string::npos; }), "%s",
            box.limit("cgroup.procs").c_str());
}

Test(kill, kill_ends_every_process_if_the_pid_namespace_is_shared) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions signal the first process");
  Container box;
  box.namespace_of("pid");
  box.sh("sleep 1001 & echo up; wait");
  box.launch();
  cr_expect(box.says("up"));
  EXPECT_STATUS(box.call({"kill", box.id(), "KILL"}), 0);
  cr_expect(comes_true([&] { return box.limit("cgroup.events").find("populated 0") != std::string::npos; }));
}

Test(delete, of_a_running_container_is_refused) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.launch();
  const Ran ran = box.call({"delete", box.id()});
  EXPECT_REFUSED(ran, cat("cannot delete container ", box.id(), " that is not stopped: running"));
  EXPECT_TEXT(box.status(), "running");
}

Test(delete, of_a_created_container_ends_it) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.create();
  EXPECT_STATUS(box.call({"delete", box.id()}), 0);
  EXPECT_TEXT(box.status(), "absent");
  EXPECT_NOTHING_LEFT(box);
}

Test(delete, by_force_works_in_every_phase) {
  REQUIRE_CONTAINERS();
  for (const char* phase : {"created", "running", "paused", "stopped"}) {
    Container box;
    box.sh(std::string(phase) == "stopped" ? "exit 0" : "sleep 1000");
    box.create();
    if (std::string(phase) != "created") box.start();
    if (std::string(phase) == "paused") box.call({"pause", box.id()});
    if (std::string(phase) == "stopped") cr_expect(box.stops());
    const Ran ran = box.call({"delete", "--force", box.id()});
    cr_expect(ran.status == 0, "%s: %s", phase, ran.err.c_str());
    const std::string left = box.leftovers();
    cr_expect(left.empty(), "%s: left behind:\n%s", phase, left.c_str());
  }
}

Test(delete, by_force_of_an_unknown_container_is_silent_success) {
  REQUIRE_CONTAINERS();
  Container box;
  const Ran ran = box.call({"delete", "--force", "no-such-container"});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.out + ran.err, "");
}

Test(delete, by_force_twice_succeeds_twice) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.launch();
  EXPECT_STATUS(box.call({"delete", "--force", box.id()}), 0);
  EXPECT_STATUS(box.call({"delete", "--force", box.id()}), 0);
}

Test(delete, by_force_four_times_at_once_leaves_nothing) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.launch();
  std::vector<Program> all;
  all.reserve(4);
  for (int number = 0; number < 4; ++number)
    all.push_back(Program({.argv = {runtime_path(), "--root", box.root(), "delete", "--force", box.id()},
                           .environment = {"PATH=/usr/sbin:/usr/bin"},
                           .directory = box.bundle()}));
  int failed = 0;
  for (Program& one : all) failed += one.wait().status != 0;
  if (is_convox()) cr_expect(failed == 0, "%d of 4 failed", failed);
  EXPECT_TEXT(box.status(), "absent");
  EXPECT_NOTHING_LEFT(box);
}

Test(delete, takes_processes_and_cgroups_that_the_container_made) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "leaves processes in groups below the container's");
  Container box;
  box.namespace_of("pid");
  box.sh("setsid sleep 1001 & setsid sleep 1002 & echo up; sleep 1000");
  box.launch();
  cr_expect(box.says("up"));
  make_directories(box.cgroup() + "/a/b");
  EXPECT_STATUS(box.call({"delete", "--force", box.id()}), 0);
  cr_expect(exists(box.cgroup()) == false);
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  EXPECT_NOTHING_LEFT(box);
}

Test(delete, does_not_wait_for_a_parent_that_does_not_reap) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.launch();
  EXPECT_STATUS(box.call({"kill", box.id(), "KILL"}), 0);
  cr_expect(box.stops());
  EXPECT_STATUS(box.call({"delete", box.id()}), 0);  // its zombie is still ours
}

Test(delete, works_when_the_bundle_is_gone) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.launch();
  remove_tree(box.bundle());
  make_directories(box.bundle());
  EXPECT_STATUS(box.call({"delete", "--force", box.id()}), 0);
  EXPECT_NOTHING_LEFT(box);
}

Test(delete, works_when_somebody_has_removed_the_cgroup) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("exit 0");
  box.launch();
  box.reap(box.pid());
  rmdir(box.cgroup().c_str());
  EXPECT_STATUS(box.call({"delete", box.id()}), 0);
}

Test(delete, by_force_removes_a_container_whatever_of_its_state_is_damaged) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "refuse a state that they cannot read");
  Words names;
  {
    Container box;
    box.sh("sleep 1000");
    box.launch();
    names = files_in(box.root() + "/" + box.id());
  }
  cr_expect(names.empty() == false);
  for (const std::string& name : names)
    for (const char* damage : {"removed", "empty", "garbage", "half"}) {
      Container box;
      box.sh("sleep 1000");
      box.launch();
      const int pid = box.pid();
      const std::string file = cat(box.root(), "/", box.id(), "/", name), before = read_file(file);
      struct stat st {};
      if (lstat(file.c_str(), &st) < 0 || (!S_ISREG(st.st_mode) && std::string(damage) != "removed")) continue;
      unlink(file.c_str());
      if (std::string(damage) == "empty") write_file(file, "");
      if (std::string(damage) == "garbage") write_file(file, std::string(4096, '\xff'));
      if (std::string(damage) == "half") write_file(file, before.substr(0, before.size() / 2));
      const Ran list = box.bare({"list", "-q"});
      cr_expect(list.status == 0, "list, %s %s: %s", name.c_str(), damage, list.err.c_str());
      const Ran ran = box.bare({"delete", "--force", box.id()});
      cr_expect(ran.status == 0, "%s %s: %s", name.c_str(), damage, ran.err.c_str());
      cr_expect(exists(cat(box.root(), "/", box.id())) == false, "%s %s: the state stays", name.c_str(), damage);
      // A record that is gone cannot tell whom to kill; whoever can still be found must be dead.
      (void)pid;
    }
}

Test(delete, by_force_removes_a_state_directory_that_has_nothing_in_it) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "refuse a state that they cannot read");
  Container box;
  make_directories(cat(box.root(), "/", box.id()));
  EXPECT_STATUS(box.call({"list"}), 0);
  EXPECT_STATUS(box.call({"delete", "--force", box.id()}), 0);
  cr_expect(exists(cat(box.root(), "/", box.id())) == false);
}

Test(delete, after_a_runtime_that_was_killed_in_create_leaves_nothing) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "leave a process or a cgroup that nobody knows");
  for (const long moment : {1L, 2L, 3L, 4L, 5L, 6L, 8L, 10L, 15L, 20L}) {
    Container box;
    box.sh("sleep 1000");
    box.write_config();
    Program create({.argv = {"/bin/sh", "-c", "exec \"$@\" <../in >>../out 2>>../err", "sh", runtime_path(), "--root",
                             box.root(), "create", box.id()},
                    .environment = {"PATH=/usr/sbin:/usr/bin"},
                    .directory = box.bundle()});
    sleep_milliseconds(moment * slowness());
    create.signal(SIGKILL);
    create.wait();
    EXPECT_STATUS(box.call({"delete", "--force", box.id()}), 0);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    const std::string left = box.leftovers();
    cr_expect(left.empty(), "killed after %ld ms, left behind:\n%s", moment, left.c_str());
  }
}
