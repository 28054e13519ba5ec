// What is systemd told of a container's limits?
//
// It writes the files of a scope itself, at the start and again whenever it is told something of that unit; so it must
// know what we write, or it would put its own defaults back. What it has no property for stays a file alone.
// systemd.resource-control(5); org.freedesktop.systemd1(5). The lines are those of runtime/systemd/property.h.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cgroups/resources.h"
#include "runtime/base/result.h"

namespace convox::oci {

// SLICE:PREFIX:NAME as linux.cgroupsPath has it: the scope PREFIX-NAME.scope in SLICE.
struct ScopeName {
  std::string slice, unit;
};
Result<ScopeName> parse_scope(std::string_view cgroups_path);

// "MemoryMax=uint64 4096", for each file that has a property, in the same order.
std::vector<std::string> limit_properties(const std::vector<cgroups::FileValue>& files);

// DevicePolicy and DeviceAllow: at least what the rules allow, for our own program refuses the rest. `proc_devices`,
// the text of /proc/devices, has the names by which systemd knows all devices of a major number.
std::vector<std::string> device_properties(const std::vector<cgroups::DeviceRule>& rules,
                                           std::string_view proc_devices);

// Those of annotations `org.systemd.property.NAME`. The values are checked by who sends them.
std::vector<std::string> annotated_properties(const std::vector<std::pair<std::string, std::string>>& annotations);

}  // namespace convox::oci
