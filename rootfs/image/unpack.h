// How does a layer's archive become a directory that overlayfs can stack?
//
// The unpacker knows one empty directory, the layers below and a stream of bytes: nothing of images, digests or stores,
// so it can run as a process of its own that sees no more. Every entry is placed under the rules of layer_name.h,
// xattr.h and tree.h; whiteouts become what overlayfs understands: a character device 0:0, and trusted.overlay.opaque=y
// on a directory. Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories". Read next: tree.h.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "rootfs/image/lower.h"
#include "rootfs/image/stream.h"
#include "runtime/base/result.h"

namespace convox::rootfs {

// What one image may cost the disk, all its layers together (hardening rule I11).
class Budget {
 public:
  // `store` is any descriptor on the file system that fills up.
  explicit Budget(int store) : store_(store) {}
  Result<> entry(std::uint64_t size);     // before an entry is placed; an apparent size counts, hole or not
  Result<> written(std::uint64_t bytes);  // now and then looks how much room is left

 private:
  int store_;
  std::uint64_t entries_ = 0, bytes_ = 0, unchecked_ = 0;
};

using Warn = std::function<void(std::string_view)>;

// Unpacks the archive `tar` into `root` and gives the bytes of the regular files. Reads `tar` up to the archive's end
// mark.
Result<std::uint64_t> unpack(Stream& tar, int root, const Lower& lower, Budget& budget, const Warn& warn);

}  // namespace convox::rootfs
