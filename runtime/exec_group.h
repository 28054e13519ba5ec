// What holds the processes that one `exec` started together, and who ends them when its client is gone?
//
//   convox/<id>/exec-<hex>           their cgroup, below the container's, so that its limits hold for them too
//   RUN/exec/<id>.<hex>              made before the group; flock: the client lives
//   RUN/exec/<id>.<hex>.detached     nobody's any more: it lasts as long as they do
//
// A client ends its group itself. If it is killed, its watcher does (keeper/plan.h), and if that one is killed too, the
// next command: `end_abandoned`. One directory for all containers, for it is read by every command and mostly empty.
#pragma once
#include <optional>
#include <string>

#include "cgroups/cgroup.h"
#include "runtime/base/result.h"

namespace convox::runtime {

class ExecGroup {
 public:
  // `directory` is RUN/exec, `container` the group of container `id`.
  static Result<ExecGroup> make(int directory, const std::string& id, const cgroups::Cgroup& container);
  ExecGroup(ExecGroup&&) = default;
  ExecGroup& operator=(ExecGroup&&) = default;

  [[nodiscard]] const cgroups::Cgroup& group() const { return group_; }
  // Takes the processes out of this client's hands.
  Result<> detach();
  // Kills what is left of them and removes the group and its file. May be repeated.
  Result<> end();

 private:
  ExecGroup(int directory, std::string file, UniqueFd lock, cgroups::Cgroup group)
      : directory_(directory), file_(std::move(file)), lock_(std::move(lock)), group_(std::move(group)) {}

  int directory_;
  std::string file_;
  UniqueFd lock_;
  cgroups::Cgroup group_;
};

// Ends the groups whose clients are gone, and forgets detached ones that have ended. The first error; it goes on past
// it.
Result<> end_abandoned(int directory, const cgroups::Hierarchy& hierarchy);

// After the end of a container: its groups are gone, and so go their files.
Result<> forget_groups(int directory, const std::string& id);

}  // namespace convox::runtime
