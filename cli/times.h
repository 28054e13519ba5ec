// How are points in time and spans of it written, and read?
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::cli {

inline constexpr std::int64_t kSecond = 1'000'000'000;  // all times here are nanoseconds, points since 1970

// "now", "1 second ago", "2 hours ago", "3 weeks ago": never rounded up. 0 (no time) is empty.
std::string ago(std::int64_t then, std::int64_t now);
// "25s", "2m0s", "75m3s": minutes are not made hours. Until `end` is known (0): empty.
std::string elapsed(std::int64_t begin, std::int64_t end);
// "2026-01-15T14:30:00Z"
std::string rfc3339(std::int64_t time);
// "2026-01-15T14:30:00.000000005Z"
std::string rfc3339_nano(std::int64_t time);
// "1h30m", "1.5h", "300ms" as Go reads them, or a number of seconds. Not negative.
Result<std::int64_t> parse_duration(std::string_view text);
// A point in time as people say it: a duration back from `now`, which may also count days and weeks ("2d12h"), or an
// RFC 3339 instant ("2026-01-15T14:30:00Z", "2026-01-15T15:30:00.5+01:00").
Result<std::int64_t> parse_since(std::string_view text, std::int64_t now);
// The time by CLOCK_REALTIME.
std::int64_t now();

}  // namespace convox::cli
