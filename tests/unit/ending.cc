// When is a container started again, and how long does that take?
#include "runtime/ending.h"

#include <criterion/criterion.h>

#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::runtime;

namespace {
Record ended(const char* policy, int status, int restarts = 0, int streak = 0) {
  Record record;
  record.phase = Phase::kStopped;
  record.restart = policy;
  record.status = status;
  record.restarts = restarts;
  record.streak = streak;
  record.started = 1000;
  record.finished = 1001;
  return record;
}
long wait_of(const Record& record) {
  const auto wait = restart_after(record);
  return wait ? wait->count() : -1;
}
}  // namespace

Test(ending, the_policy_decides_by_the_status) {
  cr_expect(wait_of(ended("no", 1)) == -1 && wait_of(ended("", 1)) == -1);
  cr_expect(wait_of(ended("on-failure", 0)) == -1 && wait_of(ended("on-failure", 1)) == 100);
  cr_expect(wait_of(ended("on-failure", kUnknownStatus)) == 100);
  cr_expect(wait_of(ended("always", 0)) == 100);
  cr_expect(wait_of(ended("on-failure:2", 1, 1)) == 100 && wait_of(ended("on-failure:2", 1, 2)) == -1);
}

Test(ending, the_wait_doubles_up_to_a_minute_and_begins_anew_after_a_long_run) {
  cr_expect(wait_of(ended("always", 1, 1, 1)) == 200 && wait_of(ended("always", 1, 3, 3)) == 800);
  cr_expect(wait_of(ended("always", 1, 99, 99)) == 60'000);
  Record long_run = ended("always", 1, 99, 99);
  long_run.finished = long_run.started + 10;
  cr_expect(wait_of(long_run) == 100);
}

Test(ending, words_that_are_no_policy_are_errors) {
  for (const char* text : {"on-failure:", "on-failure:0", "on-failure:x", "on-failures", "Always", "on-failure:1 "})
    cr_expect(!parse_restart(text).has_value(), "%s", text);
}

Test(ending, an_exit_becomes_a_status_and_its_absence_is_never_a_success) {
  Record record;
  log::Exit exit;
  exit.magic = log::kExitMagic;
  exit.code = 3;
  exit.time = 5'000'000'000;
  note_ending(record, exit);
  cr_expect(record.status == 3 && record.signal == 0 && record.finished == 5 && record.why.empty());
  exit.code = -1;
  exit.signal = 9;
  exit.oom_kills = 1;
  note_ending(record, exit);
  cr_expect(record.status == 137 && record.signal == 9 && record.out_of_memory);
  note_ending(record, std::nullopt);
  cr_expect(record.status == kUnknownStatus);
  expect_text(record.why, "keeper killed");
}
