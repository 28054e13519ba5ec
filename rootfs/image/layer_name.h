// What does a name in a layer's archive mean?
//
// A path below the layer's root, or a mark: `.wh.NAME` says that NAME of the layers below is gone, `.wh..wh..opq` that
// all they have in this directory is.  OCI image-spec, layer.md, "Whiteouts"
#pragma once
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::rootfs {

struct LayerName {
  enum class Kind {
    kRoot,      // the layer's root itself; `path` is empty
    kPath,      // `path`
    kWhiteout,  // `path` of the layers below is gone
    kOpaque,    // all that the layers below have in `path` is gone
    kIgnored,   // bookkeeping of aufs: .wh..wh.plnk, ...
  };
  Kind kind = Kind::kPath;
  std::string path;  // components joined by single slashes, no `.`, no `..`, not absolute
};

// Leading slashes and `.` components are dropped, as every tar does; `..` is refused wherever it stands, as are
// components past 255 bytes and paths deeper than 1,024.
Result<LayerName> parse_layer_name(std::string_view name);

// "a/b" of "a/b/c", "" of "a"; and "c".
std::string_view parent_of(std::string_view path);
std::string_view last_of(std::string_view path);

}  // namespace convox::rootfs
