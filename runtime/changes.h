// What did a container change in its root file system?
//
// overlayfs keeps the answer: what a container wrote lies in its upper layer, and a whiteout (a character device 0:0)
// stands for what it removed. A directory in it was changed, or only something below it was; one marked opaque hides
// what the image has under its name. What is new and what was there before is a matter of the image's layers, so both
// are walked side by side. Volumes and other mounts have no part in it.
// Kernel: Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories"
#pragma once
#include <string>
#include <vector>

#include "runtime/base/result.h"

namespace convox::runtime {

struct Change {
  enum class Kind : char { kAdded = 'A', kChanged = 'C', kDeleted = 'D' };
  Kind kind = Kind::kAdded;
  std::string path;  // absolute, inside
  bool operator==(const Change&) const = default;
};

// By path. `upper` is the upper layer, `image` the root of what lies below it; neither is changed. The container may be
// at work meanwhile: what goes while we look is not told.
Result<std::vector<Change>> find_changes(int upper, int image);

}  // namespace convox::runtime
