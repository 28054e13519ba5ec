// Whatever is broken, killed or in a hurry around a detached container: can it still be seen, waited for, stopped,
// removed?
#include <signal.h>
#include <unistd.h>

#include "tests/support/detached.h"

using namespace convox::test;

namespace {
constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;

const std::string kPolite = "trap 'exit 4' TERM; echo up; while :; do sleep 0.05; done";

bool is_up(const App& app, const std::string& id) {
  return comes_true([&] { return log_of(app, id).find("up\n") != std::string::npos; });
}
}  // namespace

// A listing looks at run directories first and at storage after that; what begins between the two is not what a reboot
// left.
Test(detach_trouble, a_listing_does_not_take_what_has_just_begun_for_dead) {
  REQUIRE(kNeeds | Strace);
  App app;
  detached(app, {"--wait", "web", "true"});
  Program slow = app.start({"/usr/bin/strace", "-f", "-o", "/dev/null", "-e", "inject=getdents64:delay_exit=200000",
                            Sandbox::build() + "/convox", "ps", "--all", "--format", "{{.ID}} {{.Status}}"});
  std::vector<std::string> ids;
  for (int i = 0; i < 8; ++i) {
    ids.push_back(detached(app, {"web", "sleep 60"}));
    sleep_milliseconds(60);
  }
  const Ran shown = slow.wait();
  EXPECT_STATUS(shown, 0);
  for (const std::string& id : ids) {
    cr_expect(shown.out.find(id + " unknown") == std::string::npos, "%s", shown.out.c_str());
    EXPECT_CONTAINS(read_file(app.lib() + "/containers/" + id + "/state.json"), "\"phase\":\"creating\"");
  }
  std::vector<std::string> stop = {"ps", "stop"};
  stop.insert(stop.end(), ids.begin(), ids.end());
  EXPECT_STATUS(app.convox(stop), 0);
  remove_kept(app);
  EXPECT_ONLY_LOGS_LEFT(app);
}

Test(detach_trouble, many_can_wait_for_one_end) {
  REQUIRE(kNeeds);
  App app;
  for (int round = 0; round < 4; ++round) {
    const std::string id = detached(app, {"web", "sleep 0.4; exit 3"});
    std::vector<Program> waiting;
    for (int i = 0; i < 12; ++i) waiting.push_back(app.start_convox({"ps", "wait", id}));
    for (Program& one : waiting) {
      const Ran ran = one.wait();
      EXPECT_STATUS(ran, 0);
      EXPECT_TEXT(ran.out, "3\n");
    }
  }
}

Test(detach_trouble, a_killed_minder_holds_up_nobody) {
  REQUIRE(kNeeds);
  App app;
  const std::string ends = detached(app, {"--restart", "on-failure", "web", "sleep 0.5"});
  cr_assert(kill(static_cast<pid_t>(number(record(app, ends), "minder")), SIGKILL) == 0);
  EXPECT_STATUS(app.convox({"ps", "wait", ends}), 0);

  const std::string told = detached(app, {"--restart", "on-failure", "web", kPolite});
  cr_assert(is_up(app, told));
  cr_assert(kill(static_cast<pid_t>(number(record(app, told), "minder")), SIGKILL) == 0);
  EXPECT_STATUS(app.convox({"ps", "stop", "--grace", "60s", told}, {.limit = std::chrono::seconds(10)}), 0);
  cr_expect(number(record(app, told), "status") == 4);
}

Test(detach_trouble, a_stopped_keeper_does_not_keep_a_container_from_being_stopped) {
  REQUIRE(kNeeds);
  App app;
  const std::string id = detached(app, {"web", "testbox", "sleep", "60"});
  cr_assert(kill(static_cast<pid_t>(number(record(app, id), "holder")), SIGSTOP) == 0);
  EXPECT_STATUS(app.convox({"ps", "stop", id}, {.limit = std::chrono::seconds(10)}), 0);
  cr_expect(number(record(app, id), "status") == 137);
}

Test(detach_trouble, a_record_that_cannot_be_read_is_stopped_and_removed_by_its_id) {
  REQUIRE(kNeeds);
  App app;
  for (const bool is_there : {true, false}) {
    const std::string id = detached(app, {"web", "sleep 60"});
    const long payload = number(record(app, id), "pid");
    const std::string path = app.state() + "/c/" + id + "/state.json";
    if (is_there)
      write_file(path, "{");
    else
      cr_assert(unlink(path.c_str()) == 0);
    EXPECT_STATUS(app.convox({"ps", "stop", id}), 0);
    cr_expect(not process_lives(payload));
    write_file(app.lib() + "/containers/" + id + "/state.json", "{");
    EXPECT_STATUS(app.convox({"ps", "rm", id}), 0);
  }
  EXPECT_ONLY_LOGS_LEFT(app);
}

Test(detach_trouble, files_are_not_removed_from_under_a_container_whose_run_directory_is_gone) {
  REQUIRE(kNeeds);
  App app;
  const std::string id = detached(app, {"web", "sleep 60"});
  const long payload = number(record(app, id), "pid"), keeper = number(record(app, id), "holder");
  app.run({"/bin/rm", "-r", app.state() + "/c/" + id});
  EXPECT_STATUS(app.convox({"ps", "rm", "--force", id}), 0);
  cr_expect(not process_lives(payload));
  cr_expect(comes_true([&] { return not process_lives(keeper); }));
  remove_kept(app);  // and the lease of its ids
  EXPECT_ONLY_LOGS_LEFT(app);
}

Test(detach_trouble, a_minder_that_cannot_go_on_says_so_in_the_log) {
  REQUIRE(kNeeds);
  App app;
  const std::string id = detached(app, {"--restart", "always", "web", "sleep 0.5"});
  write_file(app.state() + "/c/" + id + "/config.json", "{");
  cr_expect(comes_true([&] { return not lives(app, id); }));
  EXPECT_CONTAINS(log_of(app, id), "not started again: config.json");
  EXPECT_CONTAINS(record(app, id), "not started again");
}

Test(detach_trouble, the_callers_limits_are_not_the_keepers) {
  REQUIRE(kNeeds);
  App app;
  const Ran ran = app.run({"/bin/sh", "-c",
                           "ulimit -S -f 8; ulimit -S -t 60; exec \"$0\" run --detach --id web 'echo up; sleep 60'",
                           Sandbox::build() + "/convox"});
  EXPECT_STATUS(ran, 0);
  cr_assert(is_up(app, ran.out));
  const std::string limits = read_file("/proc/" + std::to_string(number(record(app, ran.out), "holder")) + "/limits");
  EXPECT_CONTAINS(limits, "Max file size             unlimited");
  EXPECT_CONTAINS(limits, "Max cpu time              unlimited");
  EXPECT_STATUS(app.convox({"ps", "stop", ran.out}), 0);
}
