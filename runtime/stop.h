// How is a running container told to end, and made to?
#pragma once
#include <chrono>
#include <optional>

#include "runtime/container_list.h"
#include "runtime/host.h"

namespace convox::runtime {

struct Stopped {
  bool killed = false;   // it did not end by itself
  bool unheard = false;  // at once, because its PID 1 has no handler for the signal
};

// Sends the container's stop signal, waits as long as its grace says (or `grace`), then kills all of it by
// cgroup.kill; returns when its holder has let go of it, with all of its record written. With a grace of zero it kills
// at once. It is not started again, whatever its policy says. Several at once, of one container: all return when it has
// ended. ETIMEDOUT if what was killed does not die.
Result<Stopped> stop(const Containers& containers, const Host& host, const Listed& container,
                     std::optional<std::chrono::seconds> grace, int signals);

}  // namespace convox::runtime
