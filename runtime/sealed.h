// How does a program or a plan get to a process that must not reach any file of ours?
#pragma once
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::runtime {

// A memory file that nobody can change any more. A program's mode is 0111: whoever executes it cannot read it, and the
// kernel lets nobody trace or look into a process whose executable its tracer may not read. `newer`: the kernel knows
// MFD_EXEC and F_SEAL_EXEC.  memfd_create(2), fcntl(2) "File Sealing", ptrace(2)
Result<UniqueFd> sealed(const char* name, std::string_view bytes, bool program, bool newer);

}  // namespace convox::runtime
