// How is a file or a tree copied between the host and a container that may change it meanwhile?
//
// Entry by entry, each reached from its directory's descriptor by one name that is not followed. First it is only
// located (O_PATH), then asked what it is, and only a regular file is opened, and that very one: a FIFO would hang us,
// a device may do something when it is opened. Nothing that exists is ever written to: a new entry gets its content
// under another name and then takes the place of the old one. So it is whole or not there; and whoever puts a link to
// /etc or a file of /proc where we are about to write has it replaced, or the copy refused, but not written.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "runtime/copy_place.h"

namespace convox::runtime {

struct CopyWishes {
  bool archive = false;             // owners too, as numbers, and set-user-id bits
  std::function<Result<>()> go_on;  // asked again and again; its error ends the copy
};

// What was left out: devices, sockets, file systems of the kernel. Paths below the source.
struct LeftOut {
  std::vector<std::string> first;  // not more than a few
  std::size_t count = 0;
};

// `name` is what the source is called in errors. For a target inside it must be called as the container's root
// (container_root.h): then what it makes belongs to that root.
Result<LeftOut> copy_tree(const Side& from, const Source& source, const Side& to, const Target& target,
                          const std::string& name, const CopyWishes& wishes);

}  // namespace convox::runtime
