#include "runtime/launch.h"

namespace convox::runtime {

Launch::Launch(const LaunchPlan& plan, const Containers& containers, const Claim& claim,
               const cgroups::Hierarchy& hierarchy, Record record, int signals, StepDone done)
    : plan_(plan),
      containers_(containers),
      claim_(claim),
      hierarchy_(hierarchy),
      record_(std::move(record)),
      mounts_(slots_of(plan.config).first_volume),
      signals_(signals),
      child_(plan, expected_of(plan.config), signals, std::move(done)) {}

Launch::~Launch() {
  if (helper_) reap(helper_);
  end_network_helper();
}

Result<Running> Launch::perform() {
  const auto deed = [this](const auto& step) { return perform(step); };
  TRY(child_.perform(plan_.before, 1, deed));
  TRY(child_.perform(plan_.meanwhile, plan_.first_meanwhile(), deed));
  Running running = child_.release();
  running.cgroup = std::move(cgroup_);
  return running;
}

Result<> Launch::perform(const AwaitPayload&) {
  TRY(child_.await_payload());
  if (helper_) reap(helper_);  // it has long ended
  helper_.reset();
  record_.phase = Phase::kRunning;
  record_.pid = child_.pid();
  return containers_.write(claim_, record_);
}

}  // namespace convox::runtime
