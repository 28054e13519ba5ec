// How does all that is known about a container look as JSON?
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "runtime/container_facts.h"
#include "runtime/launch_plan.h"

namespace convox::cli {

struct Inspected {
  runtime::Listed container;
  std::string cgroup;                                             // where its cgroup is, or was
  std::optional<runtime::LaunchPlan> plan;                        // with its config; while it is not finished
  std::optional<runtime::ContainerFacts> facts;                   // while it runs
  std::optional<networks::Lease> lease;                           // while it is in a network
  std::optional<networks::Address6> prefix;                       // of this host's networks
  std::vector<std::pair<std::string, std::string>> cgroup_files;  // while it has a cgroup
};

// A list, one object each, indented. What is not known is null. Text of strangers is escaped as text.h says.
std::string inspection(const std::vector<Inspected>& all);

}  // namespace convox::cli
