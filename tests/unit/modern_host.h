// A host that can do everything, written by hand.
#pragma once
#include "runtime/host.h"
#include "runtime/security/capabilities.h"

namespace convox::runtime {

inline Host modern_host() {
  Host host;
  host.kernel = {6, 18};
  host.kernel_release = "6.18.0";
  host.machine = "x86_64";
  host.cgroups.mount_point = "/sys/fs/cgroup";
  for (const cgroups::Controller one : cgroups::kControllers) host.cgroups.controllers.add(one);
  host.effective_capabilities = host.bounding_capabilities = security::all_capabilities(40);
  host.seccomp_filters = host.overlay = true;
  host.max_user_namespaces = 1000;
  host.possible_cpus = 2;
  host.memory_total = 1 << 30;
  return host;
}

}  // namespace convox::runtime
