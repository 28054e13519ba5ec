// How do links of the host get into a container (linux.netDevices)?
//
// convox-net does it, a program of its own, because rtnetlink takes a library that convox-oci need not load; it is
// started only where a configuration names devices. Read next: runtime/net/move_link.h.
#pragma once
#include <string>
#include <vector>

#include "runtime/base/process.h"
#include "runtime/oci/config.h"

namespace convox::oci {

// Moves `devices` into the network namespace that the file `name_space` is: /proc/PID/ns/net of a child that was not
// waited for, or a path of the configuration. No device has moved after an error about a name; after any other some
// may have, and go the way of the namespace when it ends: hardware back to the host, virtual links away.
Result<> move_net_devices(const std::vector<NetDevice>& devices, const std::string& name_space,
                          const std::string& program = helper_path("convox-net"));

}  // namespace convox::oci
