// Who finished stays for a while, and the last ones longer.
#include "runtime/retention.h"

#include <criterion/criterion.h>

#include <algorithm>

using namespace convox::runtime;

namespace {

constexpr std::int64_t kNow = 1'000'000;

Listed finished(std::string app, std::int64_t ago, int number) {
  Listed one;
  one.record.id = app + std::to_string(number);
  one.record.app = std::move(app);
  one.record.phase = Phase::kStopped;
  one.record.detached = true;
  one.record.started = kNow - ago - 5;
  one.record.finished = kNow - ago;
  return one;
}

std::vector<Listed> many(const std::string& app, int count, std::int64_t ago) {
  std::vector<Listed> all;
  for (int number = 0; number < count; ++number) all.push_back(finished(app, ago + number, number));
  return all;
}

}  // namespace

Test(retention, ends_for_what_is_neither_recent_nor_among_the_last) {
  cr_assert(expired(many("a", 20, 100'000), kNow).empty());
  cr_assert(expired(many("a", 500, 0), kNow - 600 + 500).empty());  // all within ten minutes
  const auto ids = expired(many("a", 23, 100'000), kNow);
  cr_assert(ids.size() == 3 && std::ranges::find(ids, "a22") != ids.end() &&
            std::ranges::find(ids, "a19") == ids.end());
}

Test(retention, counts_each_app_by_itself) {
  std::vector<Listed> all = many("a", 20, 100'000);
  for (Listed& other : many("a-b", 20, 100'000)) all.push_back(std::move(other));
  cr_assert(expired(all, kNow).empty());
}

Test(retention, is_for_ever_for_what_lives_or_was_asked_to_be_kept) {
  std::vector<Listed> all = many("a", 60, 100'000);
  for (int number = 0; number < 60; ++number)
    (number % 2 ? all[number].live : all[number].record.detached) = number % 2;
  cr_assert(expired(all, kNow).empty());
}

Test(retention, takes_the_start_where_nobody_saw_the_end) {
  std::vector<Listed> all = many("a", 21, 100'000);
  all[20].record.finished = 0;
  all[20].record.started = kNow;
  cr_assert(expired(all, kNow) == std::vector<std::string>{"a19"});
}
