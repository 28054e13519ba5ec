// How does an image get from where it lies into the store?
//
// By convox-image, a program of its own: archives are the most hostile input there is, and the program that starts
// containers links no parser for them. It is found at a place of ours and never through PATH, and it gets an
// environment that we wrote.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace convox::app {

struct ImportedImage {
  std::string id;
  std::vector<std::string> warnings;  // "WARNING: ...", what was left out of the image and why
};

// Imports `reference` (oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:TAG], rootfs:PATH; relative paths
// are relative to `base`) into the store at `root` and answers with the image's id. An image that is there already
// costs little.
Result<ImportedImage> import_image(const std::string& root, const std::string& base, std::string_view reference);

}  // namespace convox::app
