// Which system calls do a keeper and a watcher make after they have begun?
//
// The opposite of a payload's policy: these are programs of ours whose every call is known. So the list is short, and
// what is not in it ends the process.
#pragma once
#include <string_view>

#include "runtime/base/result.h"

namespace convox::security {

// Writes the program of `who`, "keeper" or "watcher", to the descriptor `to`.
Result<> write_keeper_filter(std::string_view who, int to);

}  // namespace convox::security
