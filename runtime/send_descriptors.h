// How do open files travel to another process?
#pragma once
#include <cstddef>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::runtime {

// One message over a connected AF_UNIX socket: `payload`, at least one byte, and `count` descriptors, at most 253.
// SCM_RIGHTS in unix(7)
Result<> send_descriptors(int socket, std::string_view payload, const int* descriptors, std::size_t count);

}  // namespace convox::runtime
