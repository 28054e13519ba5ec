// Which container does a verb mean, and how is it?
#pragma once
#include "cgroups/hierarchy.h"
#include "cli/oci/verb.h"
#include "runtime/oci/state.h"

namespace convox::oci {

struct Known {
  States states;
  State state;
  Status status = Status::kStopped;
};

// Without its lock, as it is just now.
Result<Known> find_container(const Globals& globals, const std::string& id);

// The same, locked by us until `claim` goes. What a `create` left half-made counts as stopped.
struct Claimed {
  Claim claim;
  Known known;
};
Result<Claimed> claim_container(const Globals& globals, const std::string& id);

// The id, or with --regex all ids that match it as a POSIX extended expression.
Result<std::vector<std::string>> ids_of(const Globals& globals, const Words& words);

// None where there is no cgroup v2: then no container has a cgroup. That it cannot be read is an error, or a cgroup
// would be forgotten.
Result<cgroups::Hierarchy> hierarchy_or_none();

Result<> print_line(std::string_view text);

}  // namespace convox::oci
