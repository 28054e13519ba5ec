// convox logs
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kLogs;

}  // namespace convox::cli
