// Who ends the processes of an `exec` whose client was killed?
//
// Its watcher: the keeper's program in its smallest life (keeper/mind.cc). It holds the client's pidfd and two files of
// the cgroup, nothing else; it waits for the client's end and then kills the group. PDEATHSIG alone would end the
// command and spare what the command had started.
#pragma once
#include "cgroups/cgroup.h"
#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::runtime {

class Watcher {
 public:
  // Watches this process, for `group`. `newer` as in sealed.h.
  static Result<Watcher> start(const cgroups::Cgroup& group, bool newer);
  Watcher(Watcher&&) = default;
  Watcher& operator=(Watcher&&) = default;
  ~Watcher();  // ends it: the client has done its work itself

 private:
  explicit Watcher(UniqueFd pidfd) : pidfd_(std::move(pidfd)) {}
  UniqueFd pidfd_;
};

}  // namespace convox::runtime
