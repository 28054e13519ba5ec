// Which signal is meant by "SIGTERM", "TERM", "SIGRTMIN+3" or "15", and what is a number called?
#pragma once
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::cli {

// As an image's StopSignal may name it (OCI image-spec, config.md).
Result<int> parse_signal(std::string_view name);
// "SIGTERM", "SIGRTMIN+3".
std::string signal_name(int signal);

}  // namespace convox::cli
