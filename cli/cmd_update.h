// convox update
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kUpdate;

}  // namespace convox::cli
