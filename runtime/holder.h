// Who holds a container, and when does that change?
//
// Between two starts its pids change, and a pid may be another process's by the time it is used. So descriptors are
// opened first and the claim is looked at after that: while somebody holds it, the pids of the record are those that it
// names. Looking takes the claim shared and at once, so that those who look do not take each other for a holder.
// pidfd_open(2), inotify(7), flock(2)
#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "runtime/containers.h"

namespace convox::runtime {

struct Holder {
  Record record;            // with nothing but its id, if it cannot be read
  UniqueFd keeper, minder;  // pidfds of those that live: the keeper, or an attached convox; the minder, if there is one
  UniqueFd payload;         // pidfd, if one runs
  UniqueFd news;            // becomes readable when one of them has ended, or the record changes or goes

 private:
  friend Result<std::optional<Holder>> find_holder(const Containers& containers, const std::string& id);
  UniqueFd changes_;
};

// Nothing if nobody holds it any more. Where none of its processes lives and somebody has the claim all the same, a
// command is just removing it: that one is waited for, some seconds.
Result<std::optional<Holder>> find_holder(const Containers& containers, const std::string& id);

// Waits until it has finally ended: nobody holds it, and nobody will start it again. False: that took longer than
// `within`.
Result<bool> await_end(const Containers& containers, const std::string& id,
                       std::optional<std::chrono::nanoseconds> within);

}  // namespace convox::runtime
