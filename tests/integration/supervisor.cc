// Whatever becomes of the user's input, output, terminal and shell: is the command still supervised, and its end told?
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/app.h"

using namespace convox::test;

namespace {
constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;

void sleep_milliseconds(long time) {
  const timespec span{time / 1000, time % 1000 * 1'000'000};
  nanosleep(&span, nullptr);
}
}  // namespace

// --- signals during the start

Test(supervisor, only_a_request_to_end_interrupts_a_start) {
  REQUIRE(kNeeds);
  App app;
  for (int round = 0; round < 5; ++round) {
    Program starting = app.start_convox({"run", "web", "testbox", "exit", "3"});
    for (int moment = 0; moment < 40; ++moment) {
      starting.signal(SIGCONT);  // which a shell sends with `fg` and `bg`
      sleep_milliseconds(2);
    }
    EXPECT_STATUS(starting.wait(), 3);
  }
  EXPECT_NOTHING_LEFT(app);
}

Test(supervisor, a_terminal_resized_during_the_start_has_its_new_size) {
  REQUIRE(kNeeds);
  App app;
  for (int round = 0; round < 8; ++round) {
    Program shell = app.start_convox({"run", "web", "sleep 0.3; testbox winsize"}, {.terminal = true});
    sleep_milliseconds(round * 5);
    shell.resize(50, 132);
    cr_expect(shell.expect("50 132"), "resized after %d ms", round * 5);
    shell.wait();
  }
}
