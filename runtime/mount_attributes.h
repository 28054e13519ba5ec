// How are the attributes of a detached mount set, before anybody can see it?
#pragma once
#include <cstdint>
#include <string>

#include "runtime/base/result.h"

namespace convox::runtime {

struct MountChange {
  std::uint64_t set = 0, clear = 0;  // MOUNT_ATTR_*
  std::uint64_t propagation = 0;     // MS_*, or 0: as it is
  int user_namespace = -1;           // idmapped with this one; -1: not
  bool whole = false;                // all mounts below it, too
};
// `what` is for the error.  mount_setattr(2)
Result<> change_mount(int tree, const MountChange& change, const std::string& what);

// Nothing that is mounted below the copy appears where it was copied from. A copy is a peer of its original, shared
// where that is shared (systemd shares all).  mount_namespaces(7)
inline constexpr std::uint64_t kPrivate = 1 << 18;  // MS_PRIVATE

}  // namespace convox::runtime
