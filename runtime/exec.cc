#include "runtime/exec.h"

#include <cerrno>

namespace convox::runtime {

Result<Running> Exec::perform() {
  const auto deed = [this](const auto& step) { return perform(step); };
  Result<> done = child_.perform(plan_.before, 1, deed);
  if (done) done = child_.perform(plan_.meanwhile, plan_.first_meanwhile(), deed);
  if (!done && done.error().kind == Error::Kind::kSystem) {
    child_.give_up();  // a child of ours that nobody reaped would keep PID 1 from ending
    if (ends_in_a_moment(target_)) return invalid(cat("process ", target_.id, " is not running (it has just ended)"));
  }
  TRY(std::move(done));
  cgroups::Cgroup group = TRY(group_->group().again());
  Running running = child_.release();
  running.cgroup = std::move(group);
  return running;
}

Result<> Exec::leave() {
  TRY(group_->detach());
  group_.reset();
  return ok();
}

Result<> Exec::end() {
  if (group_) TRY(group_->end());
  group_.reset();
  watcher_.reset();  // last: until then it would do the same
  return ok();
}

Result<> Exec::perform(const MakeExecGroup&) {
  group_ = TRY(ExecGroup::make(groups_, target_.id, target_.cgroup));
  return ok();
}

Result<> Exec::perform(const StartWatcher& step) {
  watcher_ = TRY(Watcher::start(group_->group(), step.executable_flag));
  return ok();
}

Result<> Exec::perform(const CloneInto& step) {
  Result<> cloned = child_.clone({kinds_of(step.namespaces), target_.process.pidfd.get()}, &group_->group());
  if (!cloned && cloned.error().code == EAGAIN)
    return std::move(cloned).error().advise("the container has as many processes as it may have");
  return cloned;
}

}  // namespace convox::runtime
