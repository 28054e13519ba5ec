// Which extended attributes of an image may reach the disk?
//
// user.*, file capabilities and POSIX ACLs. Everything of overlayfs is refused: a forged trusted.overlay.redirect,
// metacopy or opaque would show files of other layers, or hide them. Labels (security.selinux, ...) are the host's to
// give. Man pages: xattr(7), capabilities(7) "File capability extended attribute versioning", acl(5).
#pragma once
#include <optional>
#include <string>

#include "runtime/base/result.h"

namespace convox::rootfs {

struct Xattr {
  std::string name, value;
};

// The attribute as it is to be set, nothing if it is to be dropped, or an error if its value is not what its name
// promises.
Result<std::optional<Xattr>> admit(Xattr xattr);

}  // namespace convox::rootfs
