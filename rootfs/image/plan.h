// What is the image made of? The common outcome of reading an OCI layout, a docker-archive or a bare root file system,
// before anything is unpacked. Read next: oci_layout.h, docker_archive.h, import.h.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "rootfs/image/decompress.h"
#include "rootfs/image/source.h"
#include "rootfs/image_record.h"

namespace convox::rootfs {

// The image configuration document, as far as we use it.
struct Configuration {
  ImageConfig config;
  std::vector<std::string> diff_ids;  // hex digits; the layers' plain tar streams, bottom first
  std::string created, architecture;
};

struct LayerBlob {
  Window content;
  std::string name;                        // in errors
  std::optional<std::string> digest;       // hex digits, of the bytes as they lie there
  std::optional<Compression> compression;  // absent: the first bytes tell
};

struct ImagePlan {
  std::string id;  // hex digits: SHA-256 of the configuration document
  Configuration configuration;
  std::vector<LayerBlob> layers;  // one for each diff id
};

// "amd64": the OCI name of the machine's own architecture (Go's GOARCH).
const char* native_architecture();

// Parses a configuration document; its lists are within hardening rule I4 and `os` is linux.
Result<Configuration> parse_configuration(std::string_view document, std::string_view what);

}  // namespace convox::rootfs
