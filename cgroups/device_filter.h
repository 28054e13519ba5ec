// Which devices may the processes of a cgroup open or make?
//
// cgroup v2 asks a program of type BPF_PROG_TYPE_CGROUP_DEVICE at every open and mknod of a device.
// kernel: Documentation/admin-guide/cgroup-v2.rst, "Device controller"; bpf(2). The rules are a list of which the last
// match decides, as the specification says; the program tests them in reverse and returns as soon as it knows. A
// request for reading and writing is two requests: a rule may decide one of them, and an earlier rule the other.
#pragma once
#include <string>
#include <vector>

#include "cgroups/cgroup.h"
#include "cgroups/resources.h"

namespace convox::cgroups {

// `asked` with what every container needs behind them, so that it wins: mknod of anything, the standard devices,
// terminals, the console.
std::vector<DeviceRule> with_default_devices(std::vector<DeviceRule> asked);

// Does the list allow everything with every device?
bool allows_all(const std::vector<DeviceRule>& rules);

// The program's instructions, an array of struct bpf_insn. Nothing matches: refused.
std::string device_program(const std::vector<DeviceRule>& rules);

// Loads the program for `rules` and attaches it to the group, in place of the one that we attached before, if any; at
// no moment is the group without one. EPERM is ignored where a program would change nothing or where nobody of us may
// load one: inside a user namespace (`in_user_namespace`), or if every device is allowed.
Result<> filter_devices(const Cgroup& group, const std::vector<DeviceRule>& rules, bool in_user_namespace);

}  // namespace convox::cgroups
