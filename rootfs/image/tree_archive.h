// How does a directory tree become an image's layer? As one tar stream, so that it goes the way of every other layer.
// The stream depends on the tree alone (names in order of bytes, no time but that of change), so the same tree gives
// the same digest.
#pragma once
#include <memory>
#include <string>

#include "rootfs/image/stream.h"

namespace convox::rootfs {

// Stays on one file system, like tar --one-file-system: what is mounted in the tree is no part of it. Sockets are left
// out.
Result<std::unique_ptr<Stream>> archive_of_tree(const std::string& path);

}  // namespace convox::rootfs
