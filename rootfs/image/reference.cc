#include "rootfs/image/reference.h"

namespace convox::rootfs {
namespace {

constexpr struct {
  std::string_view prefix;
  Reference::Kind kind;
} kKinds[] = {
    {"oci:", Reference::Kind::kOciLayout},
    {"oci-archive:", Reference::Kind::kOciArchive},
    {"docker-archive:", Reference::Kind::kDockerArchive},
    {"rootfs:", Reference::Kind::kRootfs},
};

}  // namespace

Result<Reference> parse_reference(std::string_view text, std::string_view base) {
  for (const auto& [prefix, kind] : kKinds) {
    if (!text.starts_with(prefix)) continue;
    Reference reference;
    reference.kind = kind;
    std::string_view path = text.substr(prefix.size());
    if (const std::size_t colon = path.find(':'); kind != Reference::Kind::kRootfs && colon != std::string_view::npos) {
      reference.tag = path.substr(colon + 1);
      path = path.substr(0, colon);
      if (reference.tag.empty() || reference.tag.size() > 256) return invalid("the tag is empty or too long");
    }
    if (path.empty()) return invalid(cat("no path after ", prefix));
    if (path.size() > 4095 || path.find('\0') != std::string_view::npos) return invalid("the path is not a path");
    reference.path = path.starts_with('/') || base.empty() ? std::string(path) : cat(base, '/', path);
    return reference;
  }
  return invalid(
      "images are not pulled from registries yet; use oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:TAG] "
      "or "
      "rootfs:PATH");
}

}  // namespace convox::rootfs
