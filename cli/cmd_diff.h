// convox diff
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kDiff;

}  // namespace convox::cli
