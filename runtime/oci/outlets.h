// How does a caller get what it asked for beside a container: its terminal, a pidfd, its number, its seccomp listener?
#pragma once
#include <string>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"
#include "runtime/oci/launch.h"

namespace convox::oci {

// The master of a pty, and its name as the message.
Result<> send_console(const std::string& socket, const UniqueFd& master);
Result<> send_pidfd(const std::string& socket, const UniqueFd& pidfd);
// Decimal, without a newline; whoever sees the file sees all of it.
Result<> write_pid_file(const std::string& path, int pid);
// runtime-spec 1.3, config-linux.md, "The Container Process State"
Result<> send_listener(const Outlets& outlets, const UniqueFd& listener, const State& state, int pid);

}  // namespace convox::oci
