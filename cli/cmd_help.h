// `convox help` and `convox version`.
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kHelp, kVersion;

}  // namespace convox::cli
