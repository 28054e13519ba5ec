// convox services
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kServices;

}  // namespace convox::cli
