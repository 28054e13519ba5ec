// What became of a command that was run with the user's own input and output?
#pragma once
#include <string>

#include "runtime/supervisor.h"

namespace convox::cli {

// As an exit status and, where that is not enough, a line on standard error. `who` is what the user knows it by.
int report(const runtime::Ending& ending, const std::string& who);

}  // namespace convox::cli
