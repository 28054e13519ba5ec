// What must be put right before a program that acts for root does anything?
//
// A caller hands over more than words: open (or missing) descriptors and signal dispositions among them. Each of these
// has been a way to confuse such programs.
#pragma once
#include "runtime/base/result.h"

namespace convox::cli {

// If 0, 1 or 2 were closed, the next file opened would take the number, and messages would be written into it, or a
// container would get it.
Result<> fill_standard_descriptors();

// A reader that went away is an error of write(2), after which there may be a container to stop. And an ignored
// SIGCHLD, which is inherited, would have the kernel reap our children before we can ask how they ended: wait(2),
// "ECHILD".
Result<> reset_signals();

}  // namespace convox::cli
