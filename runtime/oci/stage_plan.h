// What will the stage do for a config.json, and in which order?
//
// Pure, as runtime/stage_plan.h, whose StagePlan it fills. A comment in stage_plan.cc says why a line stands where it
// does; the contract is runtime-spec 1.3, config.md and config-linux.md, and the order in which runc does things.
#pragma once
#include <string_view>

#include "runtime/oci/mount_plan.h"
#include "runtime/stage_plan.h"

namespace convox::oci {

// The descriptors that the host side hands over, in this order: the root, what the mounts need, and these.
struct Slots {
  std::uint32_t first_mount = 1;
  std::uint32_t time = 0;                             // a time namespace to be joined
  std::uint32_t create_state = 0, create_output = 0;  // of createContainer hooks
  std::uint32_t start_state = 0, start_output = 0;    // of startContainer hooks
  std::uint32_t gate = 0;
  std::uint32_t count = 0;
};
Slots slots_of(const Config& config, const Wishes& wishes, const MountPlan& mounts);

// Errors: a security label that cannot be had.
Result<runtime::StagePlan> plan_stage(const Config& config, const Wishes& wishes, const MountPlan& mounts,
                                      const runtime::Host& host, std::string_view filter);
// For one more process in a container that runs.
Result<runtime::StagePlan> plan_joining_stage(const Config& config, const Process& process, const ExecWishes& wishes,
                                              const runtime::Host& host, std::string_view filter);

// Where a sysctl stands below /proc. Its first separator says which of the two it uses: a dot in
// net/ipv4/conf/eth0.1/forwarding is part of a name.  sysctl(8)
std::string sysctl_path(std::string_view key);

// A bit mask of unsigned longs for a list of numbers, "0-1,7"; kInvalid for anything else.
Result<std::string> bit_mask(std::string_view list);

// What the payload may have of `asked`: what neither this kernel nor, outside of user namespaces of its own, the caller
// has cannot be had, and asking for it would fail at the last step.
Capabilities obtainable(Capabilities asked, bool user_namespace, const runtime::Host& host);

}  // namespace convox::oci
