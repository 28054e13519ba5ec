#include "cli/limit_flags.h"

#include "cli/sizes.h"

namespace convox::cli {
namespace {

using Amount = std::optional<std::uint64_t>;

Result<Amount> amount(const Invocation& invocation, const char* flag) {
  const auto number = TRY(invocation.number(flag));
  if (number && *number <= 0) return invalid(cat("--", flag, " must be larger than 0"));
  return number ? Amount(static_cast<std::uint64_t>(*number)) : std::nullopt;
}

Result<Amount> bytes(const Invocation& invocation, const char* flag) {
  const auto text = invocation.value(flag);
  if (!text) return Amount();
  const std::int64_t size = TRY(parse_size(*text), "--", flag);
  if (size <= 0) return invalid(cat("--", flag, " must be larger than 0"));
  return Amount(static_cast<std::uint64_t>(size));
}

}  // namespace

Result<cgroups::Limits> limits_of(const Invocation& invocation) {
  cgroups::Limits limits;
  if (const auto cpu = TRY(amount(invocation, "cpu"))) limits.cpu_weight = cgroups::cpu_weight(*cpu);
  if (const auto cpu = TRY(amount(invocation, "cpu-limit"))) limits.cpu_max = cgroups::cpu_max(*cpu);
  limits.memory_low = TRY(bytes(invocation, "memory"));
  limits.memory_max = TRY(bytes(invocation, "memory-limit"));
  if (limits.memory_max && limits.memory_low && *limits.memory_max < *limits.memory_low)
    return invalid("memory limit can not be less memory request");
  if (!limits.memory_max) limits.memory_max = limits.memory_low;
  limits.pids_max = TRY(amount(invocation, "pids-limit"));
  return limits;
}

}  // namespace convox::cli
