// Which limits do --cpu, --cpu-limit, --memory, --memory-limit and --pids-limit ask for? (run, update)
#pragma once
#include "cgroups/limits.h"
#include "cli/command.h"

namespace convox::cli {

inline constexpr Option kCpuOption = {"cpu", 0, "millicores", "Its share of contended processors; 1000 is one."};
inline constexpr Option kCpuLimitOption = {"cpu-limit", 0, "millicores", "Never more than this."};
inline constexpr Option kMemoryOption = {"memory", 0, "MB",
                                         "Memory that is its own; also the limit, unless --memory-limit is given."};
inline constexpr Option kMemoryLimitOption = {"memory-limit", 0, "MB", "Beyond this it is killed."};
inline constexpr Option kPidsLimitOption = {"pids-limit", 0, "n", "At most so many processes and threads."};

Result<cgroups::Limits> limits_of(const Invocation& invocation);

}  // namespace convox::cli
