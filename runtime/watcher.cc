#include "runtime/watcher.h"

#include <fcntl.h>
#include <signal.h>

#include "runtime/base/fs.h"
#include "runtime/clone.h"
#include "runtime/keeper_image.h"
#include "runtime/keeper_plan.h"
#include "runtime/sealed.h"

namespace convox::runtime {

Result<Watcher> Watcher::start(const cgroups::Cgroup& group, bool newer) {
  const UniqueFd self(TRY(check(sys::pidfd_open(static_cast<int>(sys::getpid()), 0), "pidfd_open", "")));
  const UniqueFd kill = TRY(fs::open_beneath(group.fd(), "cgroup.kill", O_WRONLY));
  const UniqueFd events = TRY(fs::open_beneath(group.fd(), "cgroup.events", O_RDONLY));
  keeper::Plan plan;
  plan.mode = keeper::Mode::kWatch;
  plan.watch.client = self.get();
  plan.watch.cgroup_kill = kill.get();
  plan.watch.cgroup_events = events.get();
  const UniqueFd program = TRY(sealed("convox-watcher", keeper_image(), true, newer));
  const UniqueFd sealed_plan = TRY(sealed("convox-plan", print(plan), false, newer));
  return Watcher(
      TRY(start_program(program.get(), "convox:[watcher]", {sealed_plan.get(), self.get(), kill.get(), events.get()})));
}

Watcher::~Watcher() {
  if (!pidfd_) return;
  sys::pidfd_send_signal(pidfd_.get(), SIGKILL);
  reap(pidfd_);
}

}  // namespace convox::runtime
