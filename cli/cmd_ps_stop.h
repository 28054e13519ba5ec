// `convox ps stop`: ends processes.
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kPsStop;

}  // namespace convox::cli
