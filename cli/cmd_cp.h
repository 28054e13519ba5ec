// convox cp
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kCp;

}  // namespace convox::cli
