// convox ps wait, ps rm
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kPsWait, kPsRemove;

}  // namespace convox::cli
