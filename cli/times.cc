#include "cli/times.h"

#include <time.h>

#include <charconv>
#include <limits>

namespace convox::cli {
namespace {

constexpr std::int64_t kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour, kWeek = 7 * kDay, kMonth = 30 * kDay,
                       kYear = 12 * kMonth;

// go-humanize's table: below `until` seconds the text is `words`, with the number of `unit`s where that is not 0.
struct Magnitude {
  std::int64_t until;
  std::string_view words;
  std::int64_t unit;
};
constexpr Magnitude kMagnitudes[] = {
    {1, "now", 0},
    {2, "1 second ago", 0},
    {kMinute, " seconds ago", 1},
    {2 * kMinute, "1 minute ago", 0},
    {kHour, " minutes ago", kMinute},
    {2 * kHour, "1 hour ago", 0},
    {kDay, " hours ago", kHour},
    {2 * kDay, "1 day ago", 0},
    {kWeek, " days ago", kDay},
    {2 * kWeek, "1 week ago", 0},
    {kMonth, " weeks ago", kWeek},
    {2 * kMonth, "1 month ago", 0},
    {kYear, " months ago", kMonth},
    {18 * kMonth, "1 year ago", 0},
    {2 * kYear, "2 years ago", 0},
    {37 * kYear, " years ago", kYear},
};

// Nanoseconds of the unit that `text` begins with, which is taken off; 0 if there is none.
std::int64_t take_unit(std::string_view& text) {
  constexpr std::pair<std::string_view, std::int64_t> units[] = {
      {"ns", 1},         {"us", 1000},   {"\xc2\xb5s", 1000},      {"\xce\xbcs", 1000},
      {"ms", 1'000'000}, {"s", kSecond}, {"m", kMinute * kSecond}, {"h", kHour * kSecond}};
  for (const auto& [name, unit] : units)
    if (text.starts_with(name)) {
      text.remove_prefix(name.size());
      return unit;
    }
  return 0;
}

// A number that `text` begins with, which is taken off; negative if there is none.
double take_number(std::string_view& text) {
  double number = -1;
  if (text.empty() || ((text[0] < '0' || text[0] > '9') && text[0] != '.')) return -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc()) return -1;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

}  // namespace

std::string ago(std::int64_t then, std::int64_t present) {
  if (then == 0) return {};
  const std::int64_t seconds = (present - then) / kSecond;
  for (const auto& [until, words, unit] : kMagnitudes)
    if (seconds < until) return unit ? cat(seconds / unit, words) : std::string(words);
  return "a long while ago";
}

std::string elapsed(std::int64_t begin, std::int64_t end) {
  if (begin == 0 || end < begin) return {};
  const std::int64_t seconds = (end - begin) / kSecond;
  return seconds < kMinute ? cat(seconds, "s") : cat(seconds / kMinute, "m", seconds % kMinute, "s");
}

std::string rfc3339(std::int64_t time) {
  const time_t seconds = time / kSecond;
  tm parts{};
  char text[32];
  if (!::gmtime_r(&seconds, &parts)) return {};
  return {text, ::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

Result<std::int64_t> parse_duration(std::string_view text) {
  const Error bad = invalid(cat("\"", text, "\" is not a duration, such as 90s or 1h30m"));
  constexpr auto longest = static_cast<double>(std::numeric_limits<std::int64_t>::max());
  double sum = 0;
  std::string_view rest = text;
  do {
    const double number = take_number(rest);
    const bool plain_seconds = rest.empty() && sum == 0 && !text.empty() && number >= 0;
    const std::int64_t unit = plain_seconds ? kSecond : take_unit(rest);
    if (number < 0 || unit == 0) return bad;
    sum += number * static_cast<double>(unit);
  } while (!rest.empty());
  if (sum >= longest) return bad;
  return static_cast<std::int64_t>(sum);
}

std::int64_t now() {
  timespec at{};
  sys::clock_gettime(CLOCK_REALTIME, &at);
  return at.tv_sec * kSecond + at.tv_nsec;
}

}  // namespace convox::cli
