// convox exec: one more command in a container that runs.
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kExec;

}  // namespace convox::cli
