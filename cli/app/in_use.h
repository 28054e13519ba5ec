// Does something of an app still run?
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace convox::app {

// Ids of the app's containers below `run` (CONVOX_RUN) whose supervisor lives.
Result<std::vector<std::string>> running_containers(const std::string& run, std::string_view app);

}  // namespace convox::app
