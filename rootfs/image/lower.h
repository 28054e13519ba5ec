// What do the layers below show at a path?
//
// The answer overlayfs would give, from the layers' directories alone: the nearest layer that has the path, unless
// something nearer hides it (a whiteout, an opaque directory, a file where a directory is needed). Never follows a
// link.
#pragma once
#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rootfs/image/tar_reader.h"
#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::rootfs {

// Attributes of an open file or directory, with those extended attributes that may be copied (xattr.h).
Result<Attributes> attributes_of(int fd);

class Lower {
 public:
  // Root directories, the topmost first. The descriptors must outlive this.
  explicit Lower(std::vector<int> roots) : roots_(std::move(roots)) {}

  struct Found {
    UniqueFd fd;  // O_PATH for what is neither a file nor a directory, else readable
    struct stat status {};
  };
  [[nodiscard]] Result<std::optional<Found>> find(std::string_view path) const;

  // Names in the root directories of all layers, each once, hidden ones too.
  [[nodiscard]] Result<std::vector<std::string>> names_in_root() const;

 private:
  std::vector<int> roots_;
};

}  // namespace convox::rootfs
