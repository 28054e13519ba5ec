// What does an archive made by `docker save` hold? manifest.json, a list of images, each with the names of its
// configuration and of its layers among the archive's files. Newer ones are OCI layouts as well; manifest.json serves
// for both.
#pragma once
#include <string>

#include "rootfs/image/plan.h"
#include "rootfs/image/source.h"

namespace convox::rootfs {

// The image with the tag `tag` ("1.0", or "web:1.0" as docker wrote it), or the only one.
Result<ImagePlan> read_docker_archive(Source& source, const std::string& tag);

}  // namespace convox::rootfs
