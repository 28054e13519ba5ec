// convox stats, convox top: the same view
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kStats, kTop;

}  // namespace convox::cli
