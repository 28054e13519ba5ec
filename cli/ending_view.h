// What became of a command that was run with the user's own input and output?
#pragma once
#include <string>

#include "runtime/supervisor.h"

namespace convox::cli {

// As an exit status and, where that is not enough, a line on standard error. `who` is what the user knows it by.
int report(const runtime::Ending& ending, const std::string& who);

// `result` when what was made for it has been removed. If that failed too, both are told; but a command that ran keeps
// its status, for 125 would say that it never did.
Result<int> after_removal(Result<int> result, Result<> removed);

}  // namespace convox::cli
