// Where do images, layers and the writes of containers lie?
//
//   CONVOX_ROOT, 0700
//     store.lock              flock: shared while something reads or adds, exclusive while something is swept away
//     layers/<chain id>/fs/   one unpacked layer, shared by every image that stands on it
//     layers/<chain id>/size  bytes of its regular files, decimal
//     layers/.tmp-<hex>/      being unpacked, or being removed
//     images/<id>.json        the record of an image, the commit point of an import
//     skeleton/               empty mount points, the lowest layer of every container
//     containers/ volumes/ apps/
//
// Everything is published by rename, so a name that exists is complete. The 0700 root keeps the setuid files of images
// out of the host users' reach (CVE-2021-41103). Man pages: flock(2), rename(2). Read next: image_record.h.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "rootfs/image_record.h"
#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::rootfs {

class Store {
 public:
  // Opens the store at `root`, and makes it where it is missing.
  static Result<Store> open(const std::string& root);

  [[nodiscard]] const std::string& path() const { return path_; }

  // Directories of the store, each made on demand, 0700.
  [[nodiscard]] Result<UniqueFd> layers() const { return part("layers"); }
  [[nodiscard]] Result<UniqueFd> images() const { return part("images"); }
  [[nodiscard]] Result<UniqueFd> containers() const { return part("containers"); }
  [[nodiscard]] Result<UniqueFd> volumes() const { return part("volumes"); }
  [[nodiscard]] Result<UniqueFd> apps() const { return part("apps"); }

  // The lock, held until the descriptor and all its copies are closed. Waits at most 30 seconds.
  enum class Lock { kShared, kExclusive };
  [[nodiscard]] Result<UniqueFd> lock(Lock kind) const;

  // Root directory of a layer of our own, which lies below every image: the places that each container's mounts need,
  // so that a launch need not make them in the container's own layer.
  [[nodiscard]] Result<UniqueFd> skeleton() const;

  // Root directory of a published layer.
  [[nodiscard]] Result<UniqueFd> layer(std::string_view chain_id) const;

  [[nodiscard]] Result<Image> image(std::string_view id) const;
  [[nodiscard]] Result<std::vector<Image>> list_images() const;  // by id
  // Writes the record; the layers must be published and on disk.
  [[nodiscard]] Result<> publish(const Image& image) const;

  // Removes the layers that neither an image record nor `in_use` (chain ids, of containers) names, and the temporaries
  // that a killed process left. Takes the exclusive lock, so whatever is temporary now has no owner.
  struct Swept {
    std::size_t layers = 0, temporaries = 0;
  };
  [[nodiscard]] Result<Swept> collect_garbage(const std::vector<std::string>& in_use) const;

 private:
  explicit Store(UniqueFd root, std::string path) : root_(std::move(root)), path_(std::move(path)) {}
  [[nodiscard]] Result<UniqueFd> part(const char* name) const;

  UniqueFd root_;
  std::string path_;
};

}  // namespace convox::rootfs
