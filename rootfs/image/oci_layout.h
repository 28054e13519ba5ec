// What does an OCI image layout hold? index.json -> (index ->) manifest -> configuration and layers, each step checked
// against the digest, the size and the media type that the step before promised.
// OCI image-spec: image-layout.md, image-index.md, manifest.md, descriptor.md.
#pragma once
#include <string>

#include "rootfs/image/plan.h"
#include "rootfs/image/source.h"

namespace convox::rootfs {

// The image tagged `tag`, or the only one for this machine.
Result<ImagePlan> read_oci_layout(Source& source, const std::string& tag);

}  // namespace convox::rootfs
