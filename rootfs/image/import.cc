#include "rootfs/image/import.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "rootfs/image/digest.h"
#include "rootfs/image/docker_archive.h"
#include "rootfs/image/oci_layout.h"
#include "rootfs/image/tree_archive.h"
#include "rootfs/image/unpack.h"
#include "runtime/base/fs.h"
#include "runtime/base/json.h"

namespace convox::rootfs {
namespace {

// One layer of the image on its way into the store.
struct Layer {
  std::string chain;      // its name there
  std::string temporary;  // its name until then; empty: it was there
  UniqueFd root;
  std::uint64_t size = 0;
};

class Import {
 public:
  Import(const Store& store, const Listener& listener, UniqueFd layers)
      : store_(store), listener_(listener), layers_(std::move(layers)), budget_(layers_.get()) {}
  Import(const Import&) = delete;
  Import& operator=(const Import&) = delete;
  // What was not published goes. An error here has nobody to be told to; the garbage collector finds what is left.
  ~Import() {
    for (const Layer& layer : all_)
      if (!layer.temporary.empty()) (void)fs::remove_tree(layers_.get(), layer.temporary).has_value();
  }

  Result<> add(const LayerBlob& blob, const std::string& diff_id);
  Result<std::string> add_root(Stream& tar);  // a layer whose diff id is not known before; returns it
  Result<Imported> publish(std::string id, Configuration configuration);
  [[nodiscard]] int scratch() const { return layers_.get(); }

 private:
  Result<bool> reuse(const std::string& chain);
  Result<std::string> unpack_into(Layer& layer, Stream& plain);
  Result<> publish_layer(Layer& layer);

  const Store& store_;
  const Listener& listener_;
  UniqueFd layers_;
  Budget budget_;
  std::vector<Layer> all_;  // bottom first
  std::size_t reused_ = 0;
};

// A layer that is there was complete and verified when it came: its name is the proof.
Result<bool> Import::reuse(const std::string& chain) {
  auto root = store_.layer(chain);
  if (!root && root.error().kind == Error::Kind::kNotFound) return false;
  if (!root) return root.error();
  const std::string size = TRY(fs::read(layers_.get(), cat(chain, "/size"), 64), "layer ", chain);
  Layer layer{.chain = chain, .temporary = {}, .root = *std::move(root), .size = 0};
  std::from_chars(size.data(), size.data() + size.size(), layer.size);
  all_.push_back(std::move(layer));
  ++reused_;
  return true;
}

// Unpacks into a temporary and gives the digest of all plain bytes, those after the archive's end mark too.
Result<std::string> Import::unpack_into(Layer& layer, Stream& plain) {
  std::vector<int> below;
  for (auto under = all_.rbegin(); under != all_.rend(); ++under)
    if (&*under != &layer) below.push_back(under->root.get());
  const Lower lower(std::move(below));
  layer.temporary = cat(".tmp-", fs::random_hex(16));
  const UniqueFd temporary = TRY(fs::make_and_open_directory(layers_.get(), layer.temporary, 0700));
  layer.root = TRY(fs::make_and_open_directory(temporary.get(), "fs", 0700));
  // A set-group-id bit inherited from the store would hand its group on to every file.  inode(7)
  TRY(check(sys::fchown(layer.root.get(), 0, 0), "chown", "the new layer"));
  TRY(check(sys::fchmod(layer.root.get(), 0700), "chmod", "the new layer"));
  HashingStream hashed(plain);
  layer.size = TRY(unpack(hashed, layer.root.get(), lower, budget_, listener_.warn));
  TRY(drain(hashed));
  TRY(fs::replace(temporary.get(), "size", cat(layer.size), 0600, fs::Durable::kNo));
  return hashed.hex();
}

Result<> Import::add(const LayerBlob& blob, const std::string& diff_id) {
  const std::string chain = chain_id(all_.empty() ? "" : all_.back().chain, diff_id);
  if (TRY(reuse(chain))) {
    listener_.progress(cat("layer ", all_.size(), ": is there already"));
    return ok();
  }
  listener_.progress(cat("layer ", all_.size() + 1, ": unpacking ", blob.name));
  if (blob.digest) {  // verify first, parse then: the parser below sees only what the manifest's author meant it to see
    WindowStream packed(blob.content, blob.name);
    if (const std::string digest = TRY(sha256(packed)); digest != *blob.digest)
      return invalid(cat(blob.name, ": its content has another digest: sha256:", digest));
  }
  char head[4];
  const long got = TRY(check(sys::pread(blob.content.fd, head, std::min<std::uint64_t>(sizeof head, blob.content.size),
                                        static_cast<long>(blob.content.offset)),
                             "read", blob.name));
  const Compression found = detect({head, static_cast<std::size_t>(got)});
  if (blob.compression && *blob.compression != found)
    return invalid(cat(blob.name, ": not compressed as its media type says"));
  WindowStream packed(blob.content, blob.name);
  const auto plain = decompress(packed, found);
  Layer& layer = all_.emplace_back();
  layer.chain = chain;
  const std::string unpacked = TRY(unpack_into(layer, *plain), blob.name);
  if (unpacked != diff_id)
    return invalid(cat(blob.name, ": unpacks to sha256:", unpacked, ", the image says sha256:", diff_id));
  return ok();
}

Result<std::string> Import::add_root(Stream& tar) {
  listener_.progress("unpacking the root file system");
  Layer& layer = all_.emplace_back();
  std::string diff_id = TRY(unpack_into(layer, tar));
  layer.chain = chain_id("", diff_id);
  return diff_id;
}

Result<> Import::publish_layer(Layer& layer) {
  if (layer.temporary.empty()) return ok();
  const long rc =
      sys::renameat2(layers_.get(), layer.temporary.c_str(), layers_.get(), layer.chain.c_str(), RENAME_NOREPLACE);
  if (rc == -EEXIST) {  // another import was faster; what it unpacked is the same
    TRY(fs::remove_tree(layers_.get(), layer.temporary));
    ++reused_;
  } else {
    TRY(check(rc, "rename", cat("layer ", layer.chain)));
  }
  layer.temporary.clear();
  return ok();
}

Result<Imported> Import::publish(std::string id, Configuration configuration) {
  TRY(check(sys::syncfs(layers_.get()), "syncfs", "the store"));
  Imported result;
  for (Layer& layer : all_) {
    TRY(publish_layer(layer));
    result.image.layers.push_back(layer.chain);
    result.image.size += layer.size;
  }
  TRY(check(sys::fsync(layers_.get()), "fsync", "layers"));
  result.image.id = std::move(id);
  result.image.config = std::move(configuration.config);
  result.image.created = std::move(configuration.created);
  result.image.architecture = std::move(configuration.architecture);
  TRY(store_.publish(result.image));
  result.reused = reused_;
  return result;
}

// The configuration that an image would have of which nothing is known but its one layer.
std::string bare_configuration(std::string_view diff_id) {
  return cat("{\"architecture\":\"", native_architecture(), "\",\"os\":\"linux\",\"config\":{},",
             "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:", diff_id, "\"]}}");
}

Result<Imported> import_rootfs(Import& import, const std::string& path) {
  std::string diff_id;
  struct stat status {};
  TRY(check(sys::newfstatat(AT_FDCWD, path.c_str(), &status, 0), "open", path));
  if (S_ISDIR(status.st_mode)) {
    const auto tree = TRY(archive_of_tree(path));
    diff_id = TRY(import.add_root(*tree), path);
  } else {
    Window whole;
    const UniqueFd file = TRY(open_regular(path, whole));
    char head[4];
    const long got = TRY(check(sys::pread(whole.fd, head, sizeof head, 0), "read", path));
    WindowStream packed(whole, path);
    const auto plain = decompress(packed, detect({head, static_cast<std::size_t>(got)}));
    diff_id = TRY(import.add_root(*plain), path);
  }
  const std::string document = bare_configuration(diff_id);
  Configuration configuration = TRY(parse_configuration(document, "configuration"));
  return import.publish(sha256(document), std::move(configuration));
}

Result<Imported> import_layers(Import& import, ImagePlan plan) {
  const std::vector<std::string>& diff_ids = plan.configuration.diff_ids;
  if (plan.layers.size() != diff_ids.size())
    return invalid(cat("the image has ", plan.layers.size(), " layers and ", diff_ids.size(), " diff ids"));
  for (std::size_t at = 0; at < diff_ids.size(); ++at)
    TRY(import.add(plan.layers[at], diff_ids[at]), "layer ", at + 1, " of ", diff_ids.size());
  return import.publish(plan.id, std::move(plan.configuration));
}

Result<std::unique_ptr<Source>> open_source(const Reference& reference, int scratch) {
  if (reference.kind == Reference::Kind::kOciLayout) return open_directory_source(reference.path);
  return open_archive_source(reference.path, scratch);
}

}  // namespace

Result<Imported> import_image(const Store& store, const Reference& reference, const Listener& listener) {
  const UniqueFd held = TRY(store.lock(Store::Lock::kShared));
  UniqueFd layers = TRY(store.layers());
  Import import(store, listener, std::move(layers));
  if (reference.kind == Reference::Kind::kRootfs) return import_rootfs(import, reference.path);
  const auto source = TRY(open_source(reference, import.scratch()));
  ImagePlan plan = TRY(reference.kind == Reference::Kind::kDockerArchive ? read_docker_archive(*source, reference.tag)
                                                                         : read_oci_layout(*source, reference.tag));
  return import_layers(import, std::move(plan));
}

}  // namespace convox::rootfs
