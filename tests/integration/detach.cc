// Does a detached container go on without the command that started it, and does whoever comes later know all about it?
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/detached.h"

using namespace convox::test;

namespace {
constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;
}  // namespace

// --- the start

Test(detach, says_what_runs_and_how_it_is_called) {
  REQUIRE(kNeeds);
  App app;
  const Ran ran = app.convox({"run", "web", "sleep 60", "--detach"});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.out, "Running `sleep 60` on web... OK\n");
  cr_assert(ran.err.starts_with("Process: ") && ran.err.size() == 9 + 12 + 1, "%s", ran.err.c_str());
  const std::string id = ran.err.substr(9, 12);
  EXPECT_CONTAINS(record(app, id), "\"phase\":\"running\"");
  EXPECT_STATUS(app.convox({"ps", "stop", id}), 0);
  remove_kept(app);
  EXPECT_ONLY_LOGS_LEFT(app);
}

Test(detach, keeps_every_byte_of_both_outputs_and_the_status) {
  REQUIRE(kNeeds);
  App app;
  const Ran ran = app.convox({"run", "--detach", "--wait", "web", "echo first; echo second >&2; exit 7"});
  EXPECT_STATUS(ran, 7);
  const std::string id = ran.err.substr(9, 12);
  const std::string log = log_of(app, id);
  EXPECT_CONTAINS(log, "first\n");
  EXPECT_CONTAINS(log, "second\n");
  EXPECT_CONTAINS(record(app, id), "\"phase\":\"stopped\"");
  cr_expect(number(record(app, id), "status") == 7);
  cr_expect(not lives(app, id));
  remove_kept(app);
  EXPECT_ONLY_LOGS_LEFT(app);
}

Test(detach, a_start_that_fails_says_why_and_leaves_nothing) {
  REQUIRE(kNeeds);
  App app;
  const Ran unknown = app.convox({"run", "--detach", "web", "no-such-command"});
  EXPECT_STATUS(unknown, 127);
  EXPECT_CONTAINS(unknown.err, "ERROR: starting web: ");
  EXPECT_TEXT(unknown.out, "Running `no-such-command` on web... ");
  EXPECT_STATUS(app.convox({"run", "--detach", "web", "/etc/passwd"}), 126);
  EXPECT_STATUS(app.convox({"run", "--detach", "web", "--workdir", "relative", "true"}), 125);
  EXPECT_STATUS(app.convox({"run", "--detach", "--restart", "always", "web", "no-such-command"}), 127);
  EXPECT_STATUS(app.convox({"run", "--detach", "--restart", "sometimes", "web", "true"}), 125);
  EXPECT_STATUS(app.convox({"run", "--restart", "always", "web", "true"}), 125);
  EXPECT_ONLY_LOGS_LEFT(app);
}

Test(detach, outlives_the_terminal_it_was_started_from) {
  REQUIRE(kNeeds);
  App app;
  std::string id;
  {
    Program shell = app.start({"/bin/sh", "-c", "\"$0\" run --detach --id web 'trap : HUP; sleep 60'; read wait",
                               Sandbox::build() + "/convox"},
                              {.terminal = true});
    cr_assert(comes_true([&] {
      DIR* containers = opendir((app.state() + "/c").c_str());
      while (const dirent* entry = containers ? readdir(containers) : nullptr)
        if (entry->d_name[0] != '.') id = entry->d_name;
      if (containers) closedir(containers);
      return !id.empty() && record(app, id).find("\"running\"") != std::string::npos;
    }));
  }  // the terminal goes, and with it the shell
  sleep_milliseconds(100);
  cr_expect(process_lives(number(record(app, id), "pid")));
  EXPECT_STATUS(app.convox({"ps", "stop", id}), 0);
}

Test(detach, a_signal_during_the_start_undoes_it) {
  REQUIRE(kNeeds);
  App app;
  for (int round = 0; round < 12; ++round) {
    Program starting = app.start_convox({"run", "--detach", "--id", "web", "sleep 60"});
    sleep_milliseconds(round);
    starting.signal(SIGTERM);
    const Ran ran = starting.wait();
    if (ran.status == 0)  // it was faster
      EXPECT_STATUS(app.convox({"ps", "stop", ran.out}), 0);
    else
      cr_expect(ran.status == 128 + SIGTERM, "%d %s", ran.status, ran.err.c_str());
  }
  remove_kept(app);
  EXPECT_ONLY_LOGS_LEFT(app);
}

// --- the end

Test(detach, is_stopped_by_its_signal_or_killed_when_it_does_not_hear_it) {
  REQUIRE(kNeeds);
  App app;
  const std::string polite =
      detached(app, {"web", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.1; done"});
  cr_assert(comes_true([&] { return log_of(app, polite).find("up\n") != std::string::npos; }));
  const Ran asked = app.convox({"ps", "stop", polite});
  EXPECT_STATUS(asked, 0);
  EXPECT_TEXT(asked.out, "Stopping " + polite + "... OK\n");
  EXPECT_TEXT(asked.err, "");
  EXPECT_CONTAINS(log_of(app, polite), "bye\n");
  cr_expect(number(record(app, polite), "status") == 5);

  const std::string deaf = detached(app, {"web", "testbox", "sleep", "60"});
  const Ran unheard = app.convox({"ps", "stop", deaf});
  EXPECT_STATUS(unheard, 0);
  EXPECT_CONTAINS(unheard.err, "has no handler for SIGTERM: killed at once");
  cr_expect(number(record(app, deaf), "status") == 137 && number(record(app, deaf), "signal") == 9);

  const std::string stubborn = detached(app, {"web", "trap : TERM; echo up; while :; do sleep 0.1; done"});
  cr_assert(comes_true([&] { return log_of(app, stubborn).find("up\n") != std::string::npos; }));
  EXPECT_STATUS(app.convox({"ps", "stop", "--grace", "1", stubborn}), 0);
  cr_expect(number(record(app, stubborn), "status") == 137);

  const Ran again = app.convox({"ps", "stop", stubborn});
  EXPECT_STATUS(again, 1);
  EXPECT_CONTAINS(again.err, "is not running");
  EXPECT_STATUS(app.convox({"ps", "stop", "ffffffffffff"}), 1);
  remove_kept(app);
  EXPECT_ONLY_LOGS_LEFT(app);
}

Test(detach, several_stops_at_once_all_succeed_or_find_it_stopped) {
  REQUIRE(kNeeds);
  App app;
  const std::string id = detached(app, {"web", "trap 'sleep 0.3; exit 0' TERM; echo up; while :; do sleep 0.1; done"});
  cr_assert(comes_true([&] { return log_of(app, id).find("up\n") != std::string::npos; }));
  Program first = app.start_convox({"ps", "stop", id});
  Program second = app.start_convox({"ps", "stop", id});
  EXPECT_STATUS(first.wait(), 0);
  EXPECT_STATUS(second.wait(), 0);
  cr_expect(number(record(app, id), "status") == 0);
}

Test(detach, a_timeout_stops_it) {
  REQUIRE(kNeeds);
  App app;
  const Ran ran = app.convox(
      {"run", "--detach", "--wait", "--timeout", "300ms", "web", "trap 'exit 9' TERM; while :; do sleep 0.05; done"});
  EXPECT_STATUS(ran, 124);
  EXPECT_CONTAINS(ran.err, "ERROR: web was stopped: it ran longer than --timeout");
  const std::string last = record(app, ran.err.substr(9, 12));
  EXPECT_CONTAINS(last, "--timeout");
  cr_expect(number(last, "status") == 9);
}

Test(detach, with_rm_nothing_but_its_log_stays) {
  REQUIRE(kNeeds);
  App app;
  const Ran ran = app.convox({"run", "--detach", "--wait", "--rm", "web", "echo done; exit 3"});
  EXPECT_STATUS(ran, 3);
  EXPECT_CONTAINS(log_of(app, ran.err.substr(9, 12)), "done\n");
  EXPECT_ONLY_LOGS_LEFT(app);
}

// --- when a keeper or a minder is killed

Test(detach, dies_with_its_keeper_and_the_next_command_says_so) {
  REQUIRE(kNeeds);
  App app;
  const std::string id = detached(app, {"web", "trap : TERM; sleep 60 & wait; sleep 60"});
  const std::string running = record(app, id);
  const long payload = number(running, "pid");
  cr_expect(process_lives(payload));
  cr_assert(kill(static_cast<pid_t>(number(running, "holder")), SIGKILL) == 0);
  cr_expect(comes_true([&] { return !process_lives(payload); }));
  EXPECT_STATUS(app.convox({"run", "web", "true"}), 0);
  EXPECT_CONTAINS(record(app, id), "keeper killed");
  EXPECT_CONTAINS(log_of(app, id), "nobody knows how: keeper killed");
  cr_expect(number(record(app, id), "status") == -1);
  remove_kept(app);
  EXPECT_ONLY_LOGS_LEFT(app);
}

Test(detach, goes_on_when_its_minder_is_killed) {
  REQUIRE(kNeeds);
  App app;
  const std::string id =
      detached(app, {"--restart", "always", "web", "trap 'exit 4' TERM; echo up; while :; do sleep 0.1; done"});
  cr_assert(comes_true([&] { return log_of(app, id).find("up\n") != std::string::npos; }));
  const std::string running = record(app, id);
  cr_assert(kill(static_cast<pid_t>(number(running, "minder")), SIGKILL) == 0);
  sleep_milliseconds(100);
  cr_expect(process_lives(number(running, "pid")));
  EXPECT_STATUS(app.convox({"ps", "stop", id}), 0);
  cr_expect(number(record(app, id), "status") == 4, "%s", record(app, id).c_str());
  remove_kept(app);
  EXPECT_ONLY_LOGS_LEFT(app);
}

// --- the restart policy

Test(detach, is_started_again_as_often_as_its_policy_says) {
  REQUIRE(kNeeds);
  App app;
  const std::string id = detached(app, {"--restart", "on-failure:2", "web", "echo x >>/count; wc -l </count; exit 3"});
  cr_expect(comes_true([&] { return !lives(app, id); }));
  const std::string last = record(app, id);
  cr_expect(number(last, "restarts") == 2 && number(last, "status") == 3, "%s", last.c_str());
  const std::string log = log_of(app, id);
  EXPECT_CONTAINS(log, "3\n");  // its files were its own from start to start
  cr_expect(count(log, "restart ") == 2);
  remove_kept(app);
  EXPECT_ONLY_LOGS_LEFT(app);
}

Test(detach, success_ends_on_failure_and_not_always) {
  REQUIRE(kNeeds);
  App app;
  const std::string once = detached(app, {"--restart", "on-failure", "web", "true"});
  cr_expect(comes_true([&] { return !lives(app, once); }));
  cr_expect(number(record(app, once), "restarts") == 0);
  const std::string always = detached(app, {"--restart", "always", "web", "true"});
  cr_expect(comes_true([&] { return number(record(app, always), "restarts") >= 2; }));
  EXPECT_STATUS(app.convox({"ps", "stop", always}), 0);  // between two starts, or in one
  cr_expect(not lives(app, always), "%s", record(app, always).c_str());
  remove_kept(app);
  EXPECT_ONLY_LOGS_LEFT(app);
}

Test(detach, a_killed_keeper_counts_as_a_failure) {
  REQUIRE(kNeeds);
  App app;
  const std::string id = detached(app, {"--restart", "on-failure", "web", "sleep 60"});
  const long first = number(record(app, id), "pid");
  cr_assert(kill(static_cast<pid_t>(number(record(app, id), "holder")), SIGKILL) == 0);
  cr_expect(comes_true([&] {
    const std::string now = record(app, id);
    return now.find("\"running\"") != std::string::npos && number(now, "pid") != first;
  }));
  EXPECT_STATUS(app.convox({"ps", "stop", id}), 0);
  remove_kept(app);
  EXPECT_ONLY_LOGS_LEFT(app);
}

// A reboot takes every process, every cgroup and the run directory away, and leaves the storage.
Test(detach, after_a_reboot_is_shown_as_it_ended_or_as_unknown) {
  REQUIRE(kNeeds);
  App app;
  const std::string finished = app.convox({"run", "--detach", "--wait", "web", "exit 6"}).err.substr(9, 12);
  const std::string ended_unseen = detached(app, {"web", "exit 7"});  // its keeper wrote how, and nobody read it yet
  const std::string running = detached(app, {"web", "sleep 60"});
  cr_assert(comes_true([&] { return not process_lives(number(record(app, ended_unseen), "holder")); }));
  const std::string before = record(app, running);
  cr_assert(kill(static_cast<pid_t>(number(before, "holder")), SIGKILL) == 0);
  cr_assert(comes_true([&] { return not process_lives(number(before, "pid")); }));
  for (const std::string& id : {ended_unseen, running}) {
    app.run({"/bin/rm", "-r", app.state() + "/c/" + id});
    comes_true([&] { return rmdir((cgroup2_mount() + "/convox/" + id).c_str()) == 0 || errno == ENOENT; });
  }
  app.run({"/bin/sh", "-c", "rm \"$0\"/ids/*", app.state()});
  const std::string path = app.lib() + "/containers/" + running + "/state.json";
  std::string text = read_file(path);
  const std::size_t boot = text.find("\"boot_id\":\"") + 11;
  write_file(path, text.replace(boot, 8, "00000000"));

  const Ran shown = app.convox({"ps", "--all", "--format", "{{.ID}} {{.Status}}"});
  EXPECT_STATUS(shown, 0);
  for (const std::string& line : {finished + " failed", ended_unseen + " failed", running + " unknown"})
    EXPECT_CONTAINS(shown.out, line);
  cr_expect(number(record(app, finished), "status") == 6);
  cr_expect(number(record(app, ended_unseen), "status") == 7);
  EXPECT_CONTAINS(record(app, running), "host rebooted");
  EXPECT_CONTAINS(log_of(app, running), "host rebooted");
  remove_kept(app);
  EXPECT_ONLY_LOGS_LEFT(app);
}

Test(detach, an_app_is_deleted_with_what_is_left_of_its_processes) {
  REQUIRE(kNeeds);
  App app;
  const std::string id = detached(app, {"web", "sleep 60"});
  EXPECT_STATUS(app.convox({"apps", "delete", "app"}), 1);
  EXPECT_STATUS(app.convox({"ps", "stop", id}), 0);
  EXPECT_STATUS(app.convox({"apps", "delete", "app"}), 0);
  EXPECT_TEXT(record(app, id), "");
  EXPECT_TEXT(log_of(app, id), "");
}
