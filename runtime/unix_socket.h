// How is a socket of the file system reached, however long its path is?
//
// The address of one holds 107 bytes; a path below a descriptor (/proc/self/fd/N/name) is never longer.  unix(7)
#pragma once
#include <string>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::runtime {

// `name`, at most 64 bytes, in the directory `dir`. `type`: SOCK_STREAM and the like.
Result<UniqueFd> connect_at(int dir, const std::string& name, int type);
Result<UniqueFd> bind_at(int dir, const std::string& name, int type);
// By any path. Neither this nor what is sent over it waits longer than ten seconds: EAGAIN.  socket(7), SO_SNDTIMEO
Result<UniqueFd> connect_to(const std::string& path, int type);

}  // namespace convox::runtime
