// Is anything left after very many runs, one after the other and many at once?
//
// Few here; `make census` sets CONVOX_CENSUS_RUNS and prints the figures.
#include <stdio.h>
#include <stdlib.h>

#include <chrono>
#include <deque>

#include "tests/support/app.h"

using namespace convox::test;

namespace {
constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;
using Clock = std::chrono::steady_clock;

int runs(int otherwise) {
  const char* wanted = getenv("CONVOX_CENSUS_RUNS");
  return wanted ? atoi(wanted) : otherwise;
}

void say(int count, const char* how, Clock::time_point start) {
  const auto time = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count();
  fprintf(stderr, "%d runs %s: %.1f s, %.2f ms each\n", count, how, static_cast<double>(time) / 1e6,
          static_cast<double>(time) / 1e3 / count);
}
}  // namespace

Test(census, is_the_same_after_many_runs_in_a_row, .timeout = 3600) {
  REQUIRE(kNeeds);
  App app;
  const int count = runs(30);
  const auto start = Clock::now();
  for (int run = 0; run < count; ++run) {
    const Ran ran = app.convox({"run", "web", "true"});
    if (ran.status != 0) EXPECT_STATUS(ran, 0);
  }
  say(count, "in a row", start);
  EXPECT_NOTHING_LEFT(app);
}

Test(census, is_the_same_after_many_runs_at_once, .timeout = 3600) {
  REQUIRE(kNeeds);
  constexpr std::size_t kAtOnce = 64;
  App app;
  const int count = runs(2 * kAtOnce) / (getenv("CONVOX_CENSUS_RUNS") ? 2 : 1);
  const auto start = Clock::now();
  std::deque<Program> flying;
  for (int run = 0; run < count || !flying.empty();) {
    if (run < count && flying.size() < kAtOnce) {
      flying.push_back(app.start_convox({"run", "web", "true"}, {.limit = std::chrono::seconds(120)}));
      ++run;
      continue;
    }
    const Ran ran = flying.front().wait();
    flying.pop_front();
    EXPECT_STATUS(ran, 0);
    EXPECT_TEXT(ran.err, "");
  }
  say(count, "64 at once", start);
  EXPECT_NOTHING_LEFT(app);
}
