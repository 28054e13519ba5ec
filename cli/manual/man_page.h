// What does a manual page of convox say? The same as --help, from the same table, and more of it.
#pragma once
#include <string>

#include "cli/command.h"

namespace convox::manual {

// "convox-ps-info", without the section.
std::string page_name(const cli::Command& command);
// A page of section 1 in the man(7) macros.
std::string man_page(const cli::Command& command);
// convox(1): all commands, and what holds for each of them.
std::string overview();

}  // namespace convox::manual
