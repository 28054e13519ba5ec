// What do state, events and ps say, for programs that parse it?
#include <ctype.h>
#include <unistd.h>

#include "tests/oci/support/container.h"

using namespace convox::test;

Test(state, has_the_members_of_the_specification) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.create();
  const Ran ran = box.state();
  EXPECT_STATUS(ran, 0);
  EXPECT_AT(ran.out, "/id", box.id());
  EXPECT_AT(ran.out, "/status", "created");
  EXPECT_AT(ran.out, "/bundle", box.bundle());
  EXPECT_CONTAINS(at(ran.out, "/ociVersion"), "1.");
  cr_expect(atoi(at(ran.out, "/pid").c_str()) > 1, "%s", ran.out.c_str());
}

Test(state, shows_the_annotations_verbatim) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.set("/annotations", R"({"org.example.key":"value with \"quotes\" and \u00e4","empty":""})");
  box.create();
  const Ran ran = box.state();
  EXPECT_AT(ran.out, "/annotations/org.example.key", "value with \"quotes\" and \u00e4");
  EXPECT_AT(ran.out, "/annotations/empty", "");
}

Test(state, has_no_annotations_if_the_config_has_none) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "shows an empty object");
  Container box;
  box.sh("sleep 1000");
  box.create();
  EXPECT_AT(box.state().out, "/annotations", "absent");
}

Test(state, tells_when_in_nanoseconds_of_utc_and_whose) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "shows an empty owner for root");
  Container box;
  box.sh("sleep 1000");
  box.create();
  const std::string out = box.state().out, created = at(out, "/created");
  cr_expect(created.size() >= 20 && created[10] == 'T' && created.ends_with('Z'), "%s", created.c_str());
  cr_expect(created.find('.') != std::string::npos, "%s", created.c_str());
  EXPECT_AT(out, "/owner", "root");
  if (is_convox()) EXPECT_AT(out, "/rootfs", box.rootfs());
}

Test(state, goes_through_created_running_paused_stopped) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.create();
  EXPECT_TEXT(box.status(), "created");
  box.start();
  EXPECT_TEXT(box.status(), "running");
  box.call({"pause", box.id()});
  EXPECT_TEXT(box.status(), "paused");
  box.call({"resume", box.id()});
  EXPECT_TEXT(box.status(), "running");
  const int pid = box.pid();
  box.call({"kill", box.id(), "KILL"});
  cr_expect(box.reap(pid) == 128 + SIGKILL);
  EXPECT_TEXT(box.status(), "stopped");
}

Test(state, has_no_pid_when_stopped) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("exit 0");
  box.launch();
  cr_expect(box.stops());
  const std::string pid = at(box.state().out, "/pid");
  cr_expect(pid == "0" || pid == "absent", "%s", pid.c_str());
}

Test(state, a_zombie_is_stopped) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("exit 0");
  box.launch();  // this process does not reap it
  cr_expect(box.stops());
  EXPECT_STATUS(box.call({"delete", box.id()}), 0);
}

Test(state, a_bundle_named_relative_is_shown_absolute) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.write_config();
  Ran made = run({.argv = {"/bin/sh", "-c", "exec \"$@\" <in >out 2>err", "sh", runtime_path(), "--root", box.root(),
                           "create", "--bundle", "bundle", box.id()},
                  .environment = {"PATH=/usr/sbin:/usr/bin"},
                  .directory = box.path()});
  EXPECT_STATUS(made, 0);
  EXPECT_AT(box.state().out, "/bundle", box.bundle());
}

Test(state, both_outputs_together_are_json) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.launch();
  const Ran state = box.bare({"state", box.id()}), ps = box.bare({"ps", "--format", "json", box.id()});
  EXPECT_AT(state.out + state.err, "/status", "running");
  EXPECT_AT(ps.out + ps.err, "/0", cat(box.pid()));
}

Test(events, stats_are_one_object_with_the_numbers_of_the_cgroup) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "has no events");
  REQUIRE(CgroupControllers);
  Container box;
  box.set("/linux/resources", R"({"memory":{"limit":67108864},"pids":{"limit":50}})");
  box.testbox({"hold", "8", "1000"});
  box.launch();
  cr_expect(box.says("ate"));
  const Ran ran = box.call({"events", "--stats", box.id()});
  EXPECT_STATUS(ran, 0);
  EXPECT_AT(ran.out, "/type", "stats");
  EXPECT_AT(ran.out, "/id", box.id());
  EXPECT_AT(ran.out, "/data/pids/current", "1");
  EXPECT_AT(ran.out, "/data/pids/limit", "50");
  EXPECT_AT(ran.out, "/data/memory/usage/limit", "67108864");
  cr_expect(atol(at(ran.out, "/data/memory/usage/usage").c_str()) > 8'000'000, "%s", ran.out.c_str());
  cr_expect(atol(at(ran.out, "/data/memory/raw/anon").c_str()) > 8'000'000, "%s", ran.out.c_str());
  cr_expect(atol(at(ran.out, "/data/cpu/usage/total").c_str()) > 100'000, "not nanoseconds: %s", ran.out.c_str());
}

Test(events, stats_work_without_controllers) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "has no events");
  LIMITATION(Runc, "fails without the files of the pids controller");
  Container box;
  box.sh("sleep 1000");
  box.launch();
  const Ran ran = box.call({"events", "--stats", box.id()});
  EXPECT_STATUS(ran, 0);
  EXPECT_AT(ran.out, "/type", "stats");
}

Test(events, come_at_the_interval_until_the_container_ends) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "has no events");
  REQUIRE(CgroupControllers);
  Container box;
  box.sh("sleep 1000");
  box.launch();
  Program events = box.start_call({"events", "--interval", "100ms", box.id()});
  for (int time = 0; time < 2; ++time) cr_expect(events.expect("\"type\":\"stats\""));
  box.call({"kill", box.id(), "KILL"});
  cr_expect(box.stops());
  EXPECT_STATUS(events.wait(), 0);
}

Test(events, an_oom_kill_is_an_event) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "has no events");
  REQUIRE(CgroupControllers);
  Container box;
  box.set("/linux/resources", R"({"memory":{"limit":33554432,"swap":33554432}})");
  box.sh(
      "read line </dev/mqueue/go 2>/dev/null; while ! [ -e /tmp/go ]; do sleep 0.1; done; /testbox eat 64; sleep 1000");
  box.launch();
  Program events = box.start_call({"events", "--interval", "1000s", box.id()});
  sleep_milliseconds(500L * slowness());
  write_file(box.rootfs() + "/tmp/go", "");
  cr_expect(events.expect("\"oom\""));
}

Test(events, of_a_stopped_container_are_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "has no events");
  Container box;
  box.sh("exit 0");
  box.launch();
  box.reap(box.pid());
  EXPECT_REFUSED(box.call({"events", "--stats", box.id()}), "not running");
}
