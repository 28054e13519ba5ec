// Who holds a container, and when does that change?
//
// Between two starts its pids change, and a pid may be another process's by the time it is used. So descriptors are
// opened first and the claim is looked at after that: while somebody holds it, the pids of the record are those that it
// names.  pidfd_open(2), inotify(7)
#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "runtime/containers.h"

namespace convox::runtime {

struct Holder {
  Record record;
  UniqueFd process;  // pidfd of whoever will let go of the claim last
  UniqueFd payload;  // pidfd, if one runs
  UniqueFd changes;  // inotify on the container's directory: becomes readable when the record changes, or goes
};

// Nothing if nobody holds it any more.
Result<std::optional<Holder>> find_holder(const Containers& containers, const std::string& id);

// Waits until it has finally ended: nobody holds it, and nobody will start it again. False: that took longer than
// `within`.
Result<bool> await_end(const Containers& containers, const std::string& id,
                       std::optional<std::chrono::nanoseconds> within);

}  // namespace convox::runtime
