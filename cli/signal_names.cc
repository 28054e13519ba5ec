#include "cli/signal_names.h"

#include <signal.h>

#include <charconv>
#include <cstring>
#include <optional>

namespace convox::cli {
namespace {

// What the C libraries leave to programs: glibc keeps 32 and 33 to itself. musl also keeps 34, but names count from
// here wherever they are written, systemd's SIGRTMIN+3 first of all.  signal(7), "Real-time signals"
constexpr int kFirstRealTime = 34, kLastRealTime = 64;

std::optional<int> number(std::string_view digits) {
  int value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || digits[0] == '-' || error != std::errc() || end != digits.data() + digits.size())
    return std::nullopt;
  return value;
}

// RTMIN, RTMIN+3, RTMAX, RTMAX-3
std::optional<int> real_time(std::string_view name) {
  const bool from_first = name.starts_with("RTMIN");
  const std::string_view offset = name.substr(5);
  if (!offset.empty() && offset[0] != (from_first ? '+' : '-')) return std::nullopt;
  const auto distance = offset.empty() ? 0 : number(offset.substr(1));
  if (!distance || *distance > kLastRealTime - kFirstRealTime) return std::nullopt;
  return from_first ? kFirstRealTime + *distance : kLastRealTime - *distance;
}

std::optional<int> signal_of(std::string_view name) {
  if (const auto plain = number(name)) return plain;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  if (name.starts_with("RTMIN") || name.starts_with("RTMAX")) return real_time(name);
  for (int signal = 1; signal < kFirstRealTime; ++signal)
    if (const char* known = ::sigabbrev_np(signal); known && name == known) return signal;
  return std::nullopt;
}

}  // namespace

Result<int> parse_signal(std::string_view name) {
  const auto signal = signal_of(name);
  if (!signal || *signal < 1 || *signal > kLastRealTime) return invalid(cat("\"", name, "\" is no signal"));
  return *signal;
}

std::string signal_name(int signal) {
  if (const char* known = signal < kFirstRealTime ? ::sigabbrev_np(signal) : nullptr) return cat("SIG", known);
  if (signal >= kFirstRealTime && signal <= kLastRealTime) return cat("SIGRTMIN+", signal - kFirstRealTime);
  return cat("signal ", signal);
}

}  // namespace convox::cli
