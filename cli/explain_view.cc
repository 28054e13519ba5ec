#include "cli/explain_view.h"

#include <algorithm>

#include "cli/text.h"
#include "runtime/words.h"

namespace convox::cli {
namespace {

using runtime::ExecPlan;
using runtime::LaunchPlan;
using runtime::Words;

std::string right(std::string_view text, std::size_t width) {
  return cat(std::string(width - std::min(width, text.size()), ' '), text);
}

// "1.234", of nanoseconds.
std::string milliseconds(std::chrono::nanoseconds time) {
  const auto micros = time.count() / 1000;
  const std::string fraction = cat(micros % 1000);
  return cat(micros / 1000, ".", std::string(3 - fraction.size(), '0'), fraction);
}

std::string_view beginning(const LaunchPlan&) { return "On the host, before the container exists:"; }
std::string_view beginning(const ExecPlan&) { return "On the host:"; }

template <class Plan>
std::string_view heading(const Plan& plan, std::size_t number) {
  if (number == 1) return beginning(plan);
  if (number == plan.first_meanwhile()) return "On the host, while the child becomes the stage:";
  if (number == plan.first_of_stage()) return "Inside, by the stage:";
  return {};
}

template <class Plan>
std::string explain_steps(const Plan& plan) {
  std::string text;
  for (std::size_t number = 1; number <= plan.size(); ++number) {
    if (const std::string_view head = heading(plan, number); !head.empty()) text += cat("\n", head, "\n");
    const Words words = runtime::words_of(plan, number);
    text += cat(right(cat(number), 4), "  ", escaped(words.deed), "\n      ", words.why, ".  ", words.source, "\n");
  }
  return text;
}

template <class Plan>
std::string trace_steps(const Plan& plan, const std::vector<Traced>& steps, std::chrono::nanoseconds total) {
  std::vector<std::string> times(plan.size() + 1);
  for (const Traced& step : steps) times.at(step.number) = cat(milliseconds(step.duration), " ms");
  std::string text;
  for (std::size_t number = 1; number <= plan.size(); ++number) {
    if (const std::string_view head = heading(plan, number); !head.empty()) text += cat(head, "\n");
    text +=
        cat(right(cat(number), 4), right(times[number], 13), "  ", escaped(runtime::words_of(plan, number).deed), "\n");
  }
  return text + cat("    ", right(milliseconds(total), 10), " ms  in all, until the command ran\n");
}

std::string headline(std::string_view command, std::size_t steps) {
  return cat(escaped(command), " takes ", steps, " steps. Nothing has been done.\n");
}

}  // namespace

std::string explain(const LaunchPlan& plan, std::string_view command, std::string_view import) {
  std::string text = headline(command, plan.size());
  if (!import.empty()) text += cat("\nFirst: import ", escaped(import), ", which is not in the store yet.\n");
  return text + explain_steps(plan);
}
std::string explain(const ExecPlan& plan, std::string_view command) {
  return headline(command, plan.size()) + explain_steps(plan);
}

std::string trace(const LaunchPlan& plan, const std::vector<Traced>& steps, std::chrono::nanoseconds total) {
  return trace_steps(plan, steps, total);
}
std::string trace(const ExecPlan& plan, const std::vector<Traced>& steps, std::chrono::nanoseconds total) {
  return trace_steps(plan, steps, total);
}

}  // namespace convox::cli
