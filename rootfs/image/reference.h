// Which image does the user mean?
//
//   oci:DIR[:TAG]  oci-archive:FILE[:TAG]  docker-archive:FILE[:TAG]  rootfs:PATH
// As with skopeo, the path ends at the first colon, so that a tag may hold one (docker-archive:x.tar:web:1.0).
// Everything else names a registry.
#pragma once
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::rootfs {

struct Reference {
  enum class Kind { kOciLayout, kOciArchive, kDockerArchive, kRootfs };
  Kind kind = Kind::kOciLayout;
  std::string path;  // absolute if the base was
  std::string tag;   // empty: the only image there is
};

// A relative path is taken below `base`.
Result<Reference> parse_reference(std::string_view text, std::string_view base);

}  // namespace convox::rootfs
