// How long does a finished detached container stay?
//
// Whoever started it wants to see how it ended; nobody wants ten thousand of them. So the last ones of each app stay,
// and each stays for a while whatever comes after it. Its output is in the logs and stays longer (log_store.h). One
// that was asked to be kept (`run --keep`, attached) stays until somebody removes it.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/container_list.h"

namespace convox::runtime {

inline constexpr std::size_t kFinishedKept = 20;           // of each app, the last to end
inline constexpr std::int64_t kFinishedKeptSeconds = 600;  // each, at least

// The ids of those whose time is over. `now` is in seconds since 1970.
std::vector<std::string> expired(const std::vector<Listed>& all, std::int64_t now);

inline constexpr std::uint64_t kFinishedLogs = 512
                                               << 20;  // bytes, of each app: what the logs of those that ended may have

// Removes them, from `all` too. One that cannot be removed is left for the next time.
void sweep_finished(const Containers& containers, const cgroups::Hierarchy& hierarchy, std::vector<Listed>& all,
                    std::int64_t now);

// For whoever adds one to `app`, when others have ended: them, and the oldest logs of the app.
Result<> sweep_app(const Containers& containers, const cgroups::Hierarchy& hierarchy, const std::string& app,
                   std::int64_t now);

}  // namespace convox::runtime
