// What does convox say about itself? The list of commands, and one command's usage, from the table.
#pragma once
#include <string>

#include "cli/command.h"

namespace convox::cli {

std::string command_list();                 // every command with its line, by name
std::string usage(const Command& command);  // USAGE, DESCRIPTION, OPTIONS

}  // namespace convox::cli
