// Do limits hold, and is one that cannot hold refused?
#include <signal.h>
#include <stdlib.h>

#include "tests/support/app.h"

using namespace convox::test;

namespace {
constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;
constexpr auto kControllers = kNeeds | CgroupControllers;

bool has_controller(const std::string& name) {
  return (" " + read_file(cgroup2_mount() + "/cgroup.controllers") + " ").find(name) != std::string::npos;
}
}  // namespace

Test(limits, without_their_controller_are_refused_by_name) {
  REQUIRE(kNeeds);
  App app;
  const struct {
    const char *flag, *value, *controller;
  } cases[] = {{"--memory", "64", "memory"},
               {"--memory-limit", "64", "memory"},
               {"--cpu", "500", "cpu"},
               {"--cpu-limit", "500", "cpu"},
               {"--pids-limit", "10", "pids"}};
  for (const auto& [flag, value, controller] : cases) {
    const Ran ran = app.convox({"run", flag, value, "web", "true"});
    if (has_controller(controller)) {
      EXPECT_STATUS(ran, 0);
      continue;
    }
    EXPECT_STATUS(ran, 125);
    EXPECT_TEXT(ran.out, "");
    EXPECT_CONTAINS(ran.err, convox::cat("needs the ", controller, " controller"));
    EXPECT_CONTAINS(ran.err, convox::cat("cgroup_no_v1=", controller));
  }
  EXPECT_NOTHING_LEFT(app);
}

Test(limits, of_memory_end_with_a_message) {
  REQUIRE(kControllers);
  App app;
  const Ran ran = app.convox({"run", "--memory-limit", "16", "web", "testbox", "eat", "64"});
  EXPECT_STATUS(ran, 128 + SIGKILL);
  EXPECT_TEXT(ran.err, "ERROR: web was killed: out of memory (limit 16 MB)\n");
  EXPECT_TEXT(app.convox({"run", "--memory-limit", "64", "web", "testbox", "eat", "32"}).out, "ate 32\n");
  EXPECT_NOTHING_LEFT(app);
}

// The child shares our memory until it executes the stage: a limit that is too small must not be ours.
Test(limits, too_small_for_anything_do_not_take_convox_along) {
  REQUIRE(kControllers);
  App app;
  for (const char* size : {"4096b", "16kb", "64kb", "256kb"}) {
    const Ran ran = app.convox({"run", "--memory-limit", size, "web", "testbox", "eat", "8"});
    cr_expect(ran.status == 125 || ran.status == 128 + SIGKILL, "%s: %d %s", size, ran.status, ran.err.c_str());
    EXPECT_CONTAINS(ran.err, "out of memory (limit ");
    EXPECT_NOTHING_LEFT(app);
  }
}

Test(limits, of_processes_stop_a_fork_bomb) {
  REQUIRE(kControllers);
  App app;
  const Ran ran = app.convox({"run", "--pids-limit", "20", "web", "testbox", "fork-bomb"});
  EXPECT_TEXT(ran.out, "children=19 EAGAIN\n");
  // Without one there is a limit as well.
  EXPECT_CONTAINS(app.convox({"run", "web", "testbox", "fork-bomb"}).out, "children=2047 EAGAIN");
  EXPECT_NOTHING_LEFT(app);
}

Test(limits, of_processors_throttle) {
  REQUIRE(kControllers);
  App app;
  const Ran ran = app.convox({"run", "--cpu-limit", "100", "web", "testbox spin 2; cat /sys/fs/cgroup/cpu.stat"});
  const auto throttled = lines_with(ran.out, "nr_throttled ");
  cr_expect(throttled.size() == 1 && atoi(throttled[0].c_str()) > 5, "%s", ran.out.c_str());
  const auto free =
      lines_with(app.convox({"run", "web", "testbox spin 1; cat /sys/fs/cgroup/cpu.stat"}).out, "nr_throttled ");
  cr_expect(free.size() == 1 && free[0] == "0");
}

Test(limits, cannot_be_lifted_from_inside) {
  REQUIRE(kControllers);
  App app;
  const Ran ran = app.convox({"run", "--memory-limit", "64", "web",
                              "testbox write-file /sys/fs/cgroup/memory.max max; cat /sys/fs/cgroup/memory.max"});
  EXPECT_TEXT(ran.out, "/sys/fs/cgroup/memory.max=EROFS\n67108864\n");
}
