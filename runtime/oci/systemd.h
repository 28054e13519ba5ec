// How does systemd make, change and forget the cgroup of a container?
//
// A scope is a group for processes that somebody else starts; systemd wants one of them at once. So the helper
// convox-systemd (runtime/systemd/) puts itself into the new scope and stays until the container was born in it. What
// is too tight for two, or for a program with libraries, is told when it goes: memory.max.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "cgroups/hierarchy.h"
#include "cgroups/resources.h"
#include "runtime/base/process.h"
#include "runtime/base/result.h"

namespace convox::oci {

struct ScopeWish {
  std::string path;  // SLICE:PREFIX:NAME
  std::string id;    // of the container
  std::vector<cgroups::FileValue> settings;
  std::vector<cgroups::DeviceRule> devices;
  std::vector<std::pair<std::string, std::string>> annotations;
  bool user = false;  // of the user's systemd
};

// A scope that lives as long as this object, and from then on as long as somebody is in it.
class Scope {
 public:
  [[nodiscard]] const std::string& unit() const { return unit_; }
  // Its group, below the hierarchy's root.
  [[nodiscard]] const std::string& group() const { return group_; }
  // The container is in it: tells systemd the rest, and ends the helper.
  Result<> finish(const std::vector<cgroups::FileValue>& rest);

 private:
  friend Result<Scope> start_scope(const ScopeWish& wish, const cgroups::Hierarchy& hierarchy);
  std::string unit_, group_;
  Program program_;
  Running helper_;
};
Result<Scope> start_scope(const ScopeWish& wish, const cgroups::Hierarchy& hierarchy);

// Stops the scope and forgets that it failed. One that is gone is success. `user`: of the user's systemd.
Result<> stop_scope(const std::string& unit, bool user);

// Tells systemd of new limits, or it would put back the old ones. No rules: the devices stay as they are.
Result<> update_scope(const std::string& unit, bool user, const std::vector<cgroups::FileValue>& settings,
                      const std::vector<cgroups::DeviceRule>& devices);

}  // namespace convox::oci
