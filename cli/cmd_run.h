// `convox run` and `convox gc`.
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kRun, kGc;

}  // namespace convox::cli
