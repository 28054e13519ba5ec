// What does each step of a launch say for itself?
//
// The same words appear in --explain, --trace and error messages, so that a failure reads like the plan it broke. `why`
// teaches the kernel fact behind the step; `source` is where to read on.
#pragma once
#include <string>

#include "runtime/exec_plan.h"
#include "runtime/launch_plan.h"

namespace convox::runtime {

struct Words {
  std::string deed;    // "mount proc on /proc"
  std::string why;     // one sentence
  std::string source;  // "fsopen(2)"; the first call that it makes, or a page or CVE
};

Words words(const HostStep& step);
Words words(const ExecStep& step);
Words words(const stage::Step& step, const StagePlan& plan);

// Of the step with that number, from 1 through the whole of a LaunchPlan or ExecPlan.
template <class Plan>
Words words_of(const Plan& plan, std::size_t number) {
  if (number < plan.first_meanwhile()) return words(plan.before[number - 1]);
  if (number < plan.first_of_stage()) return words(plan.meanwhile[number - plan.first_meanwhile()]);
  return words(plan.stage.steps()[number - plan.first_of_stage()], plan.stage);
}

// Parts of them. "a, b"; " (read-only, nosuid)" of MOUNT_ATTR_*, or nothing.
std::string joined(const std::vector<std::string>& parts, std::string_view between);
std::string attributes_text(std::uint64_t attributes);

// The error of a step of the stage: in the user's terms where the step is about something that the user named.
// `detail` is its report's.
Error explain_failure(const stage::Step& step, const StagePlan& plan, Errno error, std::uint32_t detail,
                      bool new_user_namespace = false);

}  // namespace convox::runtime
