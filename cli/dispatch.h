// From the words of a command line to an exit status.
#pragma once
#include <string>
#include <vector>

namespace convox::cli {

// Runs the command and prints what went wrong. The status: the command's own, else 125 where a command of a container
// was to run (126 and 127: it could not be executed, was not found), else 1.
int dispatch(const std::vector<std::string>& words);

}  // namespace convox::cli
