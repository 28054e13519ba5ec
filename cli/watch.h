// How is a list shown again and again (--watch N)?
#pragma once
#include <functional>
#include <string>

#include "cli/command.h"

namespace convox::cli {

inline constexpr Option kWatchOption = {"watch", 0, "seconds", "Show it again every so many seconds."};

// Prints what `look` says. With --watch that is all again after so many seconds, below `Every Ns:` on a cleared screen,
// until a signal ends it: that is how it is meant to end, so the status is 0.
Result<int> watched(const Invocation& invocation, const std::function<Result<std::string>()>& look);

}  // namespace convox::cli
