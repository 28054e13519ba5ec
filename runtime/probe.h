// Does this host really do what a launch will ask of it?
//
// A kernel version or a file in /proc says what could be done. A security module, a sysctl, a container around us or
// the file system of the store can still forbid it. So try it: in children with namespaces of their own and with a
// deadline, in a scratch directory that is removed again. For `convox doctor` only; a launch finds out by launching.
// Man pages: user_namespaces(7), mount_setattr(2), fsopen(2).
#pragma once
#include <errno.h>

#include <string>

#include "runtime/base/result.h"

namespace convox::runtime {

inline constexpr Errno kNotTried{-ECANCELED};  // because a deed that it needs failed

// What each deed came to; zero is success.
struct Probes {
  Errno user_namespace = kNotTried;    // made, with 65,536 ids of its own
  Errno procfs = kNotTried;            // a new one, in user, process and mount namespaces of their own
  Errno store = kNotTried;             // directories can be made there
  Errno overlay = kNotTried;           // a writable one, with all its layers on the file system of the store
  Errno idmapped_mount = kNotTried;    // of that file system
  Errno idmapped_overlay = kNotTried;  // one whose lower layer is idmapped
  Errno nftables = kNotTried;          // asked for its generation number
};

// `store` need not exist: the nearest directory above it that does lies on the same file system.
Probes probe(const std::string& store);

}  // namespace convox::runtime
