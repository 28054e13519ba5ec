// Would the first process of a PID namespace do anything with a signal?
//
// The kernel drops a signal to such a process unless it has a handler for it; waiting for one that has none to stop
// would be waiting for nothing. One that it blocks it may be waiting for, as our own init does. No heap: the keeper
// asks too. pid_namespaces(7), "The namespace init process"; proc_pid_status(5)
#pragma once
#include <cstdint>
#include <string_view>

namespace convox {

// `status` is the text of /proc/PID/status.
inline bool handles_or_blocks(std::string_view status, int signal) noexcept {
  for (const std::string_view key : {"\nSigCgt:\t", "\nSigBlk:\t"}) {
    const std::size_t at = status.find(key);
    if (at == std::string_view::npos) continue;
    std::uint64_t set = 0;
    for (std::size_t i = at + key.size(); i < status.size() && status[i] != '\n'; ++i)
      set = set << 4 | static_cast<std::uint64_t>(status[i] <= '9' ? status[i] - '0' : status[i] - 'a' + 10);
    if (set >> (signal - 1) & 1) return true;
  }
  return false;
}

}  // namespace convox
