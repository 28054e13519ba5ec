// What is left when convox itself is killed or interrupted, at any moment?
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <random>

#include "tests/support/app.h"

using namespace convox::test;

namespace {
constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;

void sleep_microseconds(long time) {
  const timespec span{time / 1'000'000, time % 1'000'000 * 1000};
  nanosleep(&span, nullptr);
}

// Moments of a launch at which to strike, from the first instruction to well behind the last step.
constexpr long kLongestLaunch = 30'000;
long slowness() {
  const char* times = getenv("CONVOX_TEST_SLOWNESS");
  return times ? atol(times) : 1;
}
int rounds() { return slowness() > 1 ? 15 : 60; }

// The container's own processes are gone: it may take a moment after convox's death, but no more.
bool processes_end(const App& app) {
  for (int moment = 0; moment < 500; ++moment) {
    if (app.leftovers().find("+ process") == std::string::npos) return true;
    sleep_microseconds(20'000);
  }
  return false;
}
}  // namespace

Test(crash, a_container_dies_with_the_convox_that_ran_it) {
  REQUIRE(kNeeds);
  App app;
  for (const char* line :
       {"echo up; exec sleep 1000", "echo up; setsid sleep 1000 & wait", "trap : TERM; echo up; sleep 1000"}) {
    Program killed = app.start_convox({"run", "web", line}, {.keep_input_open = true});
    cr_expect(killed.expect("up\n"));
    killed.signal(SIGKILL);
    EXPECT_STATUS(killed.wait(), 128 + SIGKILL);
    cr_expect(processes_end(app), "%s", app.leftovers().c_str());
    EXPECT_CONTAINS(app.leftovers(), "/state.json");  // whoever comes next shall know
    EXPECT_STATUS(app.convox({"run", "web", "true"}), 0);
    EXPECT_NOTHING_LEFT(app);
  }
}

Test(crash, gc_removes_what_a_killed_convox_left) {
  REQUIRE(kNeeds);
  App app;
  Program killed = app.start_convox({"run", "web", "echo up; exec sleep 1000"}, {.keep_input_open = true});
  cr_expect(killed.expect("up\n"));
  EXPECT_TEXT(app.convox({"gc"}).out, "Removed 0 containers, 0 layers and 0 temporaries\n");  // it lives
  killed.signal(SIGKILL);
  killed.wait();
  EXPECT_TEXT(app.convox({"gc"}).out, "Removed 1 containers, 0 layers and 0 temporaries\n");
  EXPECT_NOTHING_LEFT(app);
}

Test(crash, an_interrupted_launch_leaves_nothing) {
  REQUIRE(kNeeds);
  App app;
  std::mt19937 random(1);  // NOLINT: the same moments in every run
  for (int round = 0; round < rounds(); ++round) {
    Program launch = app.start_convox({"run", "web", "sleep", "1000"}, {.keep_input_open = true});
    sleep_microseconds(static_cast<long>(random() % kLongestLaunch) * slowness());
    launch.signal(round % 2 ? SIGINT : SIGTERM);
    const Ran ran = launch.wait();
    const int number = round % 2 ? SIGINT : SIGTERM;
    EXPECT_STATUS(ran, 128 + number);
    EXPECT_TEXT(ran.out, "");
    const std::string left = app.leftovers();
    cr_expect(left == "", "round %d, status %d: %s", round, ran.status, left.c_str());
    if (left != "") break;
  }
}

Test(crash, what_was_killed_anywhere_is_cleaned_up_by_the_next_command) {
  REQUIRE(kNeeds);
  App app;
  std::mt19937 random(2);  // NOLINT: the same moments in every run
  for (int round = 0; round < rounds(); ++round) {
    // Half of them end by themselves: then it strikes while they are cleaned up.
    const char* line = round % 2 ? "sleep 1000" : "true ";
    Program launch = app.start_convox({"run", "web", line}, {.keep_input_open = true});
    sleep_microseconds(static_cast<long>(random() % kLongestLaunch) * slowness());
    launch.signal(SIGKILL);
    launch.wait();
    cr_expect(processes_end(app), "round %d: %s", round, app.leftovers().c_str());
    EXPECT_STATUS(app.convox({"gc"}), 0);
    const std::string left = app.leftovers();
    cr_expect(left == "", "round %d: %s", round, left.c_str());
    if (left != "") break;
  }
}

Test(crash, two_state_roots_do_not_disturb_each_other) {
  REQUIRE(kNeeds);
  App one, two;
  Program running = one.start_convox({"run", "web", "echo up; exec sleep 1000"}, {.keep_input_open = true});
  cr_expect(running.expect("up\n"));
  EXPECT_STATUS(two.convox({"run", "web", "true"}), 0);
  EXPECT_TEXT(two.convox({"gc", "--kept"}).out, "Removed 0 containers, 0 layers and 0 temporaries\n");
  Program other = two.start_convox({"run", "web", "echo up; cat /proc/self/uid_map; cat"}, {.keep_input_open = true});
  cr_expect(other.expect("up\n"));
  other.close_input();
  EXPECT_STATUS(other.wait(), 0);
  running.signal(SIGTERM);
  EXPECT_STATUS(running.wait(), 128 + SIGTERM);
  EXPECT_NOTHING_LEFT(one);
  EXPECT_NOTHING_LEFT(two);
}
