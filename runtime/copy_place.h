// What do the two paths of a copy name: a thing that is there, a directory to copy into, a name that is free?
//
// One path is the host's, which the caller owns and the kernel resolves as for anybody. The other is a container's,
// where every component may be a link and may change under us: it is resolved below the container's root, by the
// kernel, in one step, and from then on only descriptors are used. A path that was looked at first and opened after
// would be a race, which docker cp lost (CVE-2018-15664).  openat2(2), RESOLVE_IN_ROOT
#pragma once
#include <sys/stat.h>

#include <cstdint>
#include <string>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::runtime {

// One end of a copy.
struct Side {
  int root = -1;               // of a container; -1: the host
  std::uint32_t first_id = 0;  // what the container's uid 0 is here
  bool shifted = false;        // by a user namespace

  [[nodiscard]] bool inside() const { return root >= 0; }
  [[nodiscard]] Result<UniqueFd> open(const std::string& path, int flags) const;
  // An id that stat(2) gave, as this side's own accounts know it; and back. The latter fails for an id that has no
  // place in the container's user namespace.
  [[nodiscard]] std::uint32_t own_id(std::uint32_t id) const;
  [[nodiscard]] Result<std::uint32_t> host_id(std::uint32_t own) const;
};

struct Source {
  UniqueFd entry;    // O_PATH: whatever it is, it has not been opened
  std::string name;  // its last component
  bool directory = false;
  bool contents = false;  // not itself, but what is in it: the path ended in `/.`
};
// With `follow` a link stands for its target, otherwise for itself.
Result<Source> find_source(const Side& side, const std::string& path, bool follow);

// Where it goes: the entry `name` of `directory`, or, with an empty name, into that directory itself.
struct Target {
  UniqueFd directory;  // O_PATH
  std::string name;
};
// Into a directory that is there; otherwise under the name that the path gives it. A link is followed, so that what it
// leads to is replaced.
Result<Target> find_target(const Side& side, const std::string& path, const Source& source);

}  // namespace convox::runtime
