#include "cli/times.h"

#include <time.h>

#include <limits>
#include <optional>

#include "runtime/base/words.h"

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

// Exactly `digits` decimal digits, taken off; negative if they are not there.
int take_digits(std::string_view& text, std::size_t digits) {
  int number = 0;
  if (text.size() < digits) return -1;
  for (const char digit : text.substr(0, digits)) {
    if (digit < '0' || digit > '9') return -1;
    number = 10 * number + (digit - '0');
  }
  text.remove_prefix(digits);
  return number;
}

bool take(std::string_view& text, std::string_view one_of) {
  if (text.empty() || one_of.find(text[0]) == one_of.npos) return false;
  text.remove_prefix(1);
  return true;
}

// ".5": nanoseconds. Further digits than there are of those count for nothing.
std::int64_t take_fraction(std::string_view& text) {
  std::int64_t sum = 0, unit = kSecond / 10;
  for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; unit /= 10) {
    sum += (text[0] - '0') * unit;
    text.remove_prefix(1);
  }
  return sum;
}

// "Z", "+01:00": seconds ahead of UTC.
std::optional<std::int64_t> take_offset(std::string_view& text) {
  if (take(text, "Zz")) return 0;
  const int sign = text.starts_with('-') ? -1 : 1;
  if (!take(text, "+-")) return std::nullopt;
  const int hours = take_digits(text, 2);
  if (hours < 0 || hours > 23 || !take(text, ":")) return std::nullopt;
  const int minutes = take_digits(text, 2);
  if (minutes < 0 || minutes > 59) return std::nullopt;
  return sign * (hours * kHour + minutes * kMinute);
}

// RFC 3339, 5.6. The time zone must be said: the hosts' own is nobody's business.
std::optional<std::int64_t> parse_instant(std::string_view text) {
  tm parts{};
  const auto field = [&](int& into, std::size_t digits, int least, int most, std::string_view behind) {
    into = take_digits(text, digits);
    return into >= least && into <= most && (behind.empty() || take(text, behind));
  };
  if (!field(parts.tm_year, 4, 1970, 2261, "-") || !field(parts.tm_mon, 2, 1, 12, "-") ||
      !field(parts.tm_mday, 2, 1, 31, "Tt ") || !field(parts.tm_hour, 2, 0, 23, ":") ||
      !field(parts.tm_min, 2, 0, 59, ":") || !field(parts.tm_sec, 2, 0, 59, ""))
    return std::nullopt;
  const std::int64_t fraction = take(text, ".") ? take_fraction(text) : 0;
  const auto offset = take_offset(text);
  if (!offset || !text.empty()) return std::nullopt;
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  const int day = parts.tm_mday;
  const std::int64_t seconds = ::timegm(&parts);
  if (parts.tm_mday != day) return std::nullopt;  // 31 February: timegm(3) made it March
  return (seconds - *offset) * kSecond + fraction;
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

std::string rfc3339_nano(std::int64_t time) {
  std::string text = rfc3339(time);
  const std::string digits = cat(kSecond + time % kSecond);  // a 1 and nine digits
  if (!text.empty()) text.replace(text.size() - 1, 1, cat(".", digits.substr(1), "Z"));
  return text;
}

Result<std::int64_t> parse_duration(std::string_view text) {
  const Error bad = invalid(cat("\"", text, "\" is not a duration, such as 90s or 1h30m"));
  constexpr auto longest = static_cast<double>(std::numeric_limits<std::int64_t>::max());
  double sum = 0;
  std::string_view rest = text;
  do {
    const double number = take_decimal(rest);
    const bool plain_seconds = rest.empty() && sum == 0 && !text.empty() && number >= 0;
    const std::int64_t unit = plain_seconds ? kSecond : take_unit(rest);
    if (number < 0 || unit == 0) return bad;
    sum += number * static_cast<double>(unit);
  } while (!rest.empty());
  if (sum >= longest) return bad;
  return static_cast<std::int64_t>(sum);
}

Result<std::int64_t> parse_since(std::string_view text, std::int64_t now) {
  if (const auto instant = parse_instant(text)) return *instant;
  const Error bad = invalid(cat(
      "\"", text, "\" is neither a duration, such as 90s, 1h30m or 2d, nor an instant, such as 2026-01-15T14:30:00Z"));
  double days = 0;
  std::string_view rest = text;
  for (const auto& [unit, length] : {std::pair('w', 7.0), std::pair('d', 1.0)}) {
    std::string_view behind = rest;
    const double number = take_decimal(behind);
    if (number < 0 || !behind.starts_with(unit)) continue;
    days += number * length;
    rest = behind.substr(1);
  }
  const bool only_days = rest.empty() && !text.empty();
  const auto duration = only_days ? Result<std::int64_t>(0) : parse_duration(rest);
  constexpr double longest = 100 * 365;
  if (!duration || days > longest) return bad;
  return now - *duration - static_cast<std::int64_t>(days * static_cast<double>(kDay * kSecond));
}

std::int64_t now() {
  timespec at{};
  sys::clock_gettime(CLOCK_REALTIME, &at);
  return at.tv_sec * kSecond + at.tv_nsec;
}

}  // namespace convox::cli
