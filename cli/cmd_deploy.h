// convox build, deploy
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kBuild, kDeploy;

}  // namespace convox::cli
