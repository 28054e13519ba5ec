// convox inspect
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kInspect;

}  // namespace convox::cli
