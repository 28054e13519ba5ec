#include "rootfs/image/docker_archive.h"

#include "rootfs/image/digest.h"
#include "rootfs/image/layer_name.h"
#include "runtime/base/json.h"

namespace convox::rootfs {
namespace {

constexpr std::size_t kManifestLimit = 4UL << 20, kConfigLimit = 8UL << 20;

// "web:1.0" and "registry:5000/web:1.0" have the tag "1.0"; the colon of a port is followed by a slash. What docker
// calls "web:1.0" others write in full.
bool has_tag(std::string_view name, std::string_view tag) {
  const std::size_t colon = name.rfind(':');
  return name == tag || name == cat("docker.io/library/", tag) || name == cat("docker.io/", tag) ||
         (colon != std::string_view::npos && name.substr(colon + 1) == tag);
}

Result<const json::Value*> choose(const json::Document& manifest, const std::string& tag) {
  std::string tags;
  std::vector<const json::Value*> chosen;
  for (const json::Value& image : manifest.GetArray()) {
    if (!image.IsObject()) return invalid("an image is not an object");
    bool ours = tag.empty();
    for (const std::string& name : TRY(json::strings(image, "RepoTags"))) {
      ours |= has_tag(name, tag);
      tags = cat(tags, tags.empty() ? "" : ", ", name);
    }
    if (ours) chosen.push_back(&image);
  }
  if (chosen.size() == 1) return chosen[0];
  tags = tags.empty() ? "it has no tags" : cat("its tags are: ", tags);
  if (chosen.empty())
    return not_found(cat("no image", tag.empty() ? "" : cat(" tagged \"", tag, "\""), " (", tags, ")"));
  return invalid(
      cat("more than one image", tag.empty() ? "" : cat(" tagged \"", tag, "\""), "; name one (", tags, ")"));
}

Result<ImagePlan> read_image(Source& source, const json::Value& image) {
  const std::string name = TRY(json::string(image, "Config")).value_or("");
  WindowStream bytes(TRY(source.find(name)), name);
  const std::string document = TRY(read_all(bytes, kConfigLimit, name));
  ImagePlan plan;
  plan.id = sha256(document);
  // The configuration's name is its digest, and that of the image: HEX.json, or blobs/sha256/HEX.
  if (const std::string_view stem = last_of(name).substr(0, 64); stem != plan.id)
    return invalid(cat(name, ": its content has another digest: sha256:", plan.id));
  plan.configuration = TRY(parse_configuration(document, name));
  for (const std::string& layer : TRY(json::strings(image, "Layers"))) {
    auto window = TRY(source.find(layer));
    plan.layers.push_back({window, layer, std::nullopt, std::nullopt});
  }
  return plan;
}

}  // namespace

Result<ImagePlan> read_docker_archive(Source& source, const std::string& tag) {
  WindowStream bytes(TRY(source.find("manifest.json")), "manifest.json");
  const std::string content = TRY(read_all(bytes, kManifestLimit, "manifest.json"));
  const json::Document manifest = TRY(json::parse_list(content, "manifest.json"));
  const json::Value* image = TRY(choose(manifest, tag), "manifest.json");
  return TRY(read_image(source, *image), "manifest.json");
}

}  // namespace convox::rootfs
