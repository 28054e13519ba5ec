// What does convox know about an image that it holds?
//
// One JSON file, images/<id>.json, written last by an import: it is the commit point, so an image either is there with
// all its layers or is not there at all. Read next: store.h (where the records and the layers lie).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace convox::rootfs {

// What the image asks for when a container starts from it; the words are the OCI image configuration's.
struct ImageConfig {
  std::vector<std::string> env;  // each KEY=VALUE
  std::vector<std::string> entrypoint, cmd;
  std::string working_dir, user, stop_signal;
  std::vector<std::string> volumes;  // absolute paths without `..`
};

struct Image {
  std::string id;                   // 64 lowercase hex digits: SHA-256 of the image's configuration document
  std::vector<std::string> layers;  // chain ids, bottom first: names of directories below layers/
  ImageConfig config;
  std::uint64_t size = 0;             // bytes of all its regular files, unpacked
  std::string created, architecture;  // as the image says; `created` may be empty
};

// 64 lowercase hex digits: the only form in which a digest becomes a path component (CVE-2024-3727).
bool is_hex_digest(std::string_view text);

// Is every entry of the kind that its field needs? Refuses an Env entry without `=` (another runtime's host environment
// would fill it in: CVE-2026-57231), Volumes that lead out of the root, a relative WorkingDir, and lists past their
// limits.
Result<> check_config(const ImageConfig& config);

std::string print(const Image& image);
// `what` names the record in errors.
Result<Image> parse_image(std::string_view record, std::string_view what);

}  // namespace convox::rootfs
