// How does a plan look to a person, and how does its execution?
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "runtime/exec_plan.h"
#include "runtime/launch_plan.h"

namespace convox::cli {

// Every step with its number, why it is done, and where to read on. `import` names an image that has to be imported
// first; empty if it is in the store.
std::string explain(const runtime::LaunchPlan& plan, std::string_view command, std::string_view import);
std::string explain(const runtime::ExecPlan& plan, std::string_view command);

struct Traced {
  std::size_t number = 0;
  std::chrono::nanoseconds duration{0};
};

// The steps in the plan's order with their durations, and the whole time, which is less than their sum: the two sides
// work side by side. Once the filter is loaded the stage reports no more: the last steps have no time of their own.
std::string trace(const runtime::LaunchPlan& plan, const std::vector<Traced>& steps, std::chrono::nanoseconds total);
std::string trace(const runtime::ExecPlan& plan, const std::vector<Traced>& steps, std::chrono::nanoseconds total);

}  // namespace convox::cli
