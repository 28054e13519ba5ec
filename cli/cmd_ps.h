// convox ps, ps info, rack ps
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kPs, kPsInfo, kRackPs;

}  // namespace convox::cli
