// How are layers stacked into one tree?
//
// overlayfs shows the upper layer over the lower ones: lower files are never written, a change copies the file up
// first, and a removal leaves a whiteout in the upper layer. A launch makes one to write to (launch_root.cc), cp and
// diff make read-only ones of what a container left (container_files.h). Kernel:
// Documentation/filesystems/overlayfs.rst
#pragma once
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"
#include "runtime/new_file_system.h"

namespace convox::runtime {

// A detached copy of the mount that shows `path` below `dir`, alone or with all that is mounted below. `what` is for
// the error.
Result<UniqueFd> clone_tree(int dir, const char* path, bool whole, const std::string& what);

// An overlay of `trees`, detached mounts, top first; with `own` the last of them is a container's storage, whose upper/
// will be written. Only for in_private_mounts (clone.h): Linux before 6.15 refuses detached mounts as layers, and
// fsconfig(2) takes 255 bytes for all of them together, so they are attached under names of one letter, below a tmpfs,
// where nobody looks. What is left to the caller: more options, whose credentials it works with, create().
Result<NewFileSystem> begin_overlay(const std::vector<UniqueFd>& trees, bool own);

}  // namespace convox::runtime
