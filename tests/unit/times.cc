// Times and sizes are written and read as Convox's users know them.
#include "cli/times.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "cli/sizes.h"
#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::cli;

namespace {

constexpr std::int64_t kMinute = 60, kHour = 3600, kDay = 24 * kHour;

}  // namespace

Test(times, ago_never_rounds_up) {
  const std::pair<std::int64_t, const char*> cases[] = {
      {0, "now"},
      {1, "1 second ago"},
      {2, "2 seconds ago"},
      {59, "59 seconds ago"},
      {kMinute, "1 minute ago"},
      {2 * kMinute - 1, "1 minute ago"},
      {2 * kMinute, "2 minutes ago"},
      {kHour - 1, "59 minutes ago"},
      {kHour, "1 hour ago"},
      {2 * kHour, "2 hours ago"},
      {kDay - 1, "23 hours ago"},
      {kDay, "1 day ago"},
      {49 * kHour, "2 days ago"},
      {7 * kDay - 1, "6 days ago"},
      {7 * kDay, "1 week ago"},
      {14 * kDay, "2 weeks ago"},
      {30 * kDay - 1, "4 weeks ago"},
      {30 * kDay, "1 month ago"},
      {60 * kDay, "2 months ago"},
      {360 * kDay - 1, "11 months ago"},
      {360 * kDay, "1 year ago"},
      {540 * kDay, "2 years ago"},
      {720 * kDay, "2 years ago"},
      {3 * 360 * kDay, "3 years ago"},
      {37LL * 360 * kDay, "a long while ago"},
  };
  constexpr std::int64_t present = 2'000'000'000 * kSecond;
  for (const auto& [seconds, words] : cases)
    cr_expect(ago(present - seconds * kSecond, present) == words, "%ld: %s", static_cast<long>(seconds),
              ago(present - seconds * kSecond, present).c_str());
  expect_text(ago(0, present), "");
  expect_text(ago(present - kSecond / 2, present), "now");
}

Test(times, elapsed_keeps_minutes_beyond_the_hour) {
  constexpr std::int64_t begin = 1000 * kSecond;
  expect_text(elapsed(begin, begin + 25 * kSecond), "25s");
  expect_text(elapsed(begin, begin + 120 * kSecond), "2m0s");
  expect_text(elapsed(begin, begin + 4503 * kSecond), "75m3s");
  expect_text(elapsed(begin, 0), "");
}

Test(times, are_written_in_utc_with_seconds) {
  expect_text(rfc3339(1'768'487'400 * kSecond + 5), "2026-01-15T14:30:00Z");
}

Test(durations, are_go_s_or_seconds) {
  const std::pair<std::string_view, std::int64_t> good[] = {
      {"90", 90 * kSecond},        {"90s", 90 * kSecond},  {"1h30m", 5400 * kSecond},
      {"1.5h", 5400 * kSecond},    {"300ms", 300'000'000}, {"0", 0},
      {"2m0.5s", 120'500'000'000},
  };
  for (const auto& [text, expected] : good) {
    const auto got = parse_duration(text);
    cr_expect(got && *got == expected, "%s", std::string(text).c_str());
  }
  for (const std::string_view bad :
       {"", "x", "1d", "-5", "5 s", "s", "1h30", "1e9", "inf", "nan", "999999999999h", "1..5s"})
    cr_expect(not parse_duration(bad), "%s", std::string(bad).c_str());
}

Test(since, is_a_span_back_from_now_or_an_instant) {
  constexpr std::int64_t present = 1'768'487'400 * kSecond;  // 2026-01-15T14:30:00Z
  const std::pair<std::string_view, std::int64_t> good[] = {
      {"90", 90 * kSecond},
      {"0", 0},
      {"1h30m", 5400 * kSecond},
      {"2d", 48 * kHour * kSecond},
      {"1w", 7 * kDay * kSecond},
      {"1w2d3h", (9 * kDay + 3 * kHour) * kSecond},
      {"1.5d", 36 * kHour * kSecond},
      {"2026-01-15T14:30:00Z", 0},
      {"2026-01-15t14:29:59.5z", kSecond / 2},
      {"2026-01-15T14:30:00.000000001Z", -1},
      {"2026-01-15T14:30:00.0000000019Z", -1},
      {"2026-01-15T15:30:00+01:00", 0},
      {"2026-01-15T09:00:00-05:30", 0},
      {"2026-01-14T14:30:00Z", kDay * kSecond},
      {"2024-02-29T14:30:00Z", 686 * kDay * kSecond},
  };
  for (const auto& [text, back] : good) {
    const auto got = parse_since(text, present);
    cr_expect(got && *got == present - back, "%s", std::string(text).c_str());
  }
  for (const std::string_view bad :
       {"", "d", "-1d", "1d-", "1dd", "1d2w", "2x", "yesterday", "2026-01-15", "2026-01-15T14:30:00",
        "2026-01-15T14:30Z", "2026-13-15T14:30:00Z", "2026-02-30T14:30:00Z", "2026-01-15T24:30:00Z",
        "2026-01-15T14:30:00Zx", "2026-01-15T14:30:00+1:00", "99999999d"})
    cr_expect(not parse_since(bad, present), "%s", std::string(bad).c_str());
}

Test(times, can_carry_nanoseconds) {
  expect_text(rfc3339_nano(1'768'487'400 * kSecond + 5), "2026-01-15T14:30:00.000000005Z");
  expect_text(rfc3339_nano(1'768'487'400 * kSecond + 999'999'999), "2026-01-15T14:30:00.999999999Z");
}

Test(sizes, are_megabytes_or_carry_their_unit) {
  const std::pair<std::string_view, std::int64_t> good[] = {
      {"512", 512LL << 20}, {"512m", 512LL << 20}, {"512MB", 512LL << 20}, {"512Mi", 512LL << 20}, {"1g", 1LL << 30},
      {"1.5G", 3LL << 29},  {"64kb", 64LL << 10},  {"100b", 100},          {"2Ti", 2LL << 40},     {"1MiB", 1LL << 20},
  };
  for (const auto& [text, expected] : good) {
    const auto got = parse_size(text);
    cr_expect(got && *got == expected, "%s", std::string(text).c_str());
  }
  for (const std::string_view bad :
       {"", "x", "-1", "1x", "1mm", "1 m", "i", "1i", "inf", "nan", "1e3", "99999999999999g"})
    cr_expect(not parse_size(bad), "%s", std::string(bad).c_str());
  const auto plain = parse_size("64", 1);
  cr_assert(plain.has_value() && *plain == 64);
}

Test(sizes, are_written_with_one_decimal) {
  expect_text(size_text(0), "0B");
  expect_text(size_text(1023), "1023B");
  expect_text(size_text(1024), "1.0KB");
  expect_text(size_text((1LL << 20) - 1), "1.0MB");
  expect_text(size_text(112'930'000), "107.7MB");
}
