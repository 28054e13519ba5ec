#include "rootfs/image/oci_layout.h"

#include <array>

#include "rootfs/image/digest.h"
#include "runtime/base/json.h"

namespace convox::rootfs {
namespace {

constexpr std::size_t kManifestLimit = 4UL << 20, kConfigLimit = 8UL << 20;  // hardening rule I4
constexpr std::size_t kLayers = 512;
constexpr int kNesting = 2;

// What a descriptor may promise. The types of Docker's registry format mean the same documents.
enum class Content { kIndex, kManifest, kConfig, kLayer, kUnknown };
struct MediaType {
  std::string_view name;
  Content content;
  Compression compression = Compression::kNone;
};
constexpr MediaType kMediaTypes[] = {
    {"application/vnd.oci.image.index.v1+json", Content::kIndex},
    {"application/vnd.docker.distribution.manifest.list.v2+json", Content::kIndex},
    {"application/vnd.oci.image.manifest.v1+json", Content::kManifest},
    {"application/vnd.docker.distribution.manifest.v2+json", Content::kManifest},
    {"application/vnd.oci.image.config.v1+json", Content::kConfig},
    {"application/vnd.docker.container.image.v1+json", Content::kConfig},
    {"application/vnd.oci.image.layer.v1.tar", Content::kLayer},
    {"application/vnd.oci.image.layer.v1.tar+gzip", Content::kLayer, Compression::kGzip},
    {"application/vnd.oci.image.layer.v1.tar+zstd", Content::kLayer, Compression::kZstd},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar", Content::kLayer},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", Content::kLayer, Compression::kGzip},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", Content::kLayer, Compression::kZstd},
    {"application/vnd.docker.image.rootfs.diff.tar", Content::kLayer},
    {"application/vnd.docker.image.rootfs.diff.tar.gzip", Content::kLayer, Compression::kGzip},
    {"application/vnd.docker.image.rootfs.diff.tar.zstd", Content::kLayer, Compression::kZstd},
};

MediaType media_type(std::string_view name) {
  for (const MediaType& type : kMediaTypes)
    if (type.name == name) return type;
  return {name, Content::kUnknown};
}

struct Descriptor {
  std::string type_name, digest;  // the digest's hex digits
  MediaType type;
  std::uint64_t size = 0;
  std::string os, architecture, tag;  // empty where it does not say
};

Result<std::string> text(const json::Value& object, const char* key) {
  return TRY(json::string(object, key)).value_or("");
}

Result<Descriptor> parse_descriptor(const json::Value& value) {
  if (!value.IsObject()) return invalid("a descriptor is not an object");
  Descriptor descriptor;
  descriptor.type_name = TRY(text(value, "mediaType"));
  descriptor.type = media_type(descriptor.type_name);
  const std::string digest = TRY(text(value, "digest"));
  descriptor.digest = TRY(parse_digest(digest));
  const std::int64_t size = TRY(json::integer(value, "size")).value_or(-1);
  if (size < 0) return invalid(cat("sha256:", descriptor.digest, ": no size"));
  descriptor.size = static_cast<std::uint64_t>(size);
  if (const json::Value* platform = TRY(json::object(value, "platform"))) {
    descriptor.os = TRY(text(*platform, "os"));
    descriptor.architecture = TRY(text(*platform, "architecture"));
  }
  if (const json::Value* annotations = TRY(json::object(value, "annotations")))
    descriptor.tag = TRY(text(*annotations, "org.opencontainers.image.ref.name"));
  return descriptor;
}

Result<Window> find_blob(Source& source, const Descriptor& descriptor) {
  const Window window = TRY(source.find(cat("blobs/sha256/", descriptor.digest)));
  if (window.size != descriptor.size)
    return invalid(
        cat("sha256:", descriptor.digest, ": ", window.size, " bytes, its descriptor says ", descriptor.size));
  return window;
}

Result<std::string> read_blob(Source& source, const Descriptor& descriptor, std::size_t limit) {
  const Window window = TRY(find_blob(source, descriptor));
  WindowStream bytes(window, cat("sha256:", descriptor.digest));
  std::string content = TRY(read_all(bytes, limit, cat("sha256:", descriptor.digest)));
  if (sha256(content) != descriptor.digest)
    return invalid(cat("sha256:", descriptor.digest, ": its content has another digest: sha256:", sha256(content)));
  return content;
}

// A document must be of one kind only: one read as a manifest by some and as an index by others carries two images
// under one digest (CVE-2021-41190). A media type inside must be the one that led here.
Result<> check_kind(const json::Value& document, std::string_view expected, Content content) {
  if (TRY(json::integer(document, "schemaVersion")).value_or(0) != 2) return invalid("\"schemaVersion\" is not 2");
  if (const auto named = TRY(json::string(document, "mediaType")); named && *named != expected)
    return invalid(cat("it says it is ", *named, ", and was announced as ", expected));
  const bool index = document.HasMember("manifests");
  const bool manifest = document.HasMember("layers") || document.HasMember("config") || document.HasMember("fsLayers");
  if (index && manifest) return invalid("both an index and a manifest");
  if (content == Content::kIndex && !index) return invalid("an index without \"manifests\"");
  if (content == Content::kManifest && !manifest) return invalid("a manifest without \"config\" and \"layers\"");
  return ok();
}

Result<std::vector<Descriptor>> parse_index(std::string_view content, std::string_view what, std::string_view type) {
  const json::Document document = TRY(json::parse(content, what));
  TRY(check_kind(document, type, Content::kIndex), what);
  std::vector<Descriptor> found;
  const json::Value* manifests = TRY(json::array(document, "manifests"), what);
  if (!manifests) return invalid(cat(what, ": \"manifests\" is not a list"));
  for (const json::Value& value : manifests->GetArray()) found.push_back(TRY(parse_descriptor(value), what));
  return found;
}

std::string tags_of(const std::vector<Descriptor>& all) {
  std::string tags;
  for (const Descriptor& one : all)
    if (!one.tag.empty()) tags = cat(tags, tags.empty() ? "" : ", ", one.tag);
  return tags.empty() ? "it has no tags" : cat("its tags are: ", tags);
}

// One of an index's entries: by tag where the user gave one, by platform where entries name one.
Result<Descriptor> choose(const std::vector<Descriptor>& all, const std::string& tag, std::string_view what) {
  std::vector<const Descriptor*> chosen;
  for (const Descriptor& one : all) {
    const bool ours = (one.os.empty() || one.os == "linux") &&
                      (one.architecture.empty() || one.architecture == native_architecture());
    if ((tag.empty() || one.tag == tag) && ours) chosen.push_back(&one);
  }
  if (chosen.size() == 1) return *chosen[0];
  const std::string wanted =
      tag.empty() ? cat("image for linux/", native_architecture()) : cat("image tagged \"", tag, "\"");
  if (chosen.empty()) return not_found(cat(what, ": no ", wanted, " (", tags_of(all), ")"));
  return invalid(cat(what, ": more than one ", wanted, "; name one by its tag (", tags_of(all), ")"));
}

Result<Descriptor> choose_manifest(Source& source, const std::string& tag) {
  WindowStream bytes(TRY(source.find("index.json")), "index.json");
  const std::string content = TRY(read_all(bytes, kManifestLimit, "index.json"));
  const auto images = TRY(parse_index(content, "index.json", kMediaTypes[0].name));
  Descriptor chosen = TRY(choose(images, tag, "index.json"));
  for (int depth = 0; chosen.type.content == Content::kIndex; ++depth) {
    if (depth == kNesting) return invalid(cat("indexes nested more than ", kNesting, " deep"));
    const std::string what = cat("index sha256:", chosen.digest);
    const std::string nested = TRY(read_blob(source, chosen, kManifestLimit), "index");
    const auto platforms = TRY(parse_index(nested, what, chosen.type_name));
    chosen = TRY(choose(platforms, {}, what));
  }
  if (chosen.type.content != Content::kManifest)
    return invalid(cat("sha256:", chosen.digest, ": \"", chosen.type_name, "\" is not an image manifest"));
  return chosen;
}

Result<> check_layout_version(Source& source) {
  WindowStream bytes(TRY(source.find("oci-layout")), "oci-layout");
  const std::string content = TRY(read_all(bytes, 4096, "oci-layout"));
  const json::Document layout = TRY(json::parse(content, "oci-layout"));
  const std::string version = TRY(text(layout, "imageLayoutVersion"));
  if (!version.starts_with("1.")) return invalid(cat("oci-layout: version \"", version, "\", only 1.x is known"));
  return ok();
}

Result<ImagePlan> read_manifest(Source& source, const Descriptor& descriptor) {
  const std::string content = TRY(read_blob(source, descriptor, kManifestLimit));
  const json::Document manifest = TRY(json::parse(content, "not JSON"));
  TRY(check_kind(manifest, descriptor.type_name, Content::kManifest));
  const json::Value* config = TRY(json::object(manifest, "config"));
  const json::Value* layers = TRY(json::array(manifest, "layers"));
  if (!config || !layers) return invalid("a manifest without \"config\" and \"layers\"");
  const Descriptor configuration = TRY(parse_descriptor(*config));
  if (configuration.type.content != Content::kConfig)
    return invalid(cat("\"", configuration.type_name, "\" is not an image configuration"));
  if (layers->Size() > kLayers) return invalid(cat("more than ", kLayers, " layers"));

  ImagePlan plan;
  plan.id = configuration.digest;
  const std::string document = TRY(read_blob(source, configuration, kConfigLimit), "configuration");
  plan.configuration = TRY(parse_configuration(document, "configuration"));
  for (const json::Value& value : layers->GetArray()) {
    const Descriptor layer = TRY(parse_descriptor(value));
    if (layer.type.content != Content::kLayer) return invalid(cat("\"", layer.type_name, "\" is not a layer"));
    auto blob = TRY(find_blob(source, layer));
    plan.layers.push_back({blob, cat("sha256:", layer.digest), layer.digest, layer.type.compression});
  }
  return plan;
}

}  // namespace

Result<ImagePlan> read_oci_layout(Source& source, const std::string& tag) {
  TRY(check_layout_version(source));
  const Descriptor manifest = TRY(choose_manifest(source, tag));
  return TRY(read_manifest(source, manifest), "manifest sha256:", manifest.digest);
}

}  // namespace convox::rootfs
