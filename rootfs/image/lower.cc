#include "rootfs/image/lower.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "rootfs/image/layer_name.h"
#include "runtime/base/fs.h"

namespace convox::rootfs {
namespace {

constexpr std::size_t kNames = 64UL * 1024;  // XATTR_LIST_MAX, and XATTR_SIZE_MAX

bool is_whiteout(const struct stat& status) { return S_ISCHR(status.st_mode) && status.st_rdev == 0; }

Result<bool> is_opaque(int dir) {
  char value = 0;
  const long size = sys::fgetxattr(dir, "trusted.overlay.opaque", &value, 1);
  if (size == -ENODATA || size == -EOPNOTSUPP) return false;
  TRY(check(size, "fgetxattr", "trusted.overlay.opaque"));
  return size == 1 && value == 'y';
}

// Opens a name to look at it; files and directories readable, all else O_PATH, so that no FIFO can block us.
Result<std::optional<Lower::Found>> look(int dir, const std::string& name) {
  Lower::Found found;
  found.fd = UniqueFd(sys::openat(dir, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  const long status = sys::newfstatat(dir, name.c_str(), &found.status, AT_SYMLINK_NOFOLLOW);
  if (status == -ENOENT) return std::optional<Lower::Found>();
  TRY(check(status, "stat", name));
  if (S_ISREG(found.status.st_mode) || S_ISDIR(found.status.st_mode))
    found.fd = UniqueFd(TRY(check(sys::openat(dir, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC), "open", name)));
  return std::optional<Lower::Found>(std::move(found));
}

enum class Verdict { kFound, kMissing, kHidden };

// One layer's answer, `found` is the last thing on the way; `kHidden` is an answer for all layers below it too.
Result<Verdict> look_in(int root, std::string_view path, Lower::Found& found) {
  int dir = root;
  bool opaque = false;
  for (std::size_t at = 0;;) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    auto next = TRY(look(dir, std::string(path.substr(at, end - at))));
    if (!next) return opaque ? Verdict::kHidden : Verdict::kMissing;
    if (is_whiteout(next->status)) return Verdict::kHidden;
    found = *std::move(next);
    if (end == path.size()) return Verdict::kFound;
    if (!S_ISDIR(found.status.st_mode)) return Verdict::kHidden;
    dir = found.fd.get();
    opaque |= TRY(is_opaque(dir));
    at = end + 1;
  }
}

}  // namespace

Result<std::optional<Lower::Found>> Lower::find(std::string_view path) const {
  for (const int root : roots_) {
    Found found;
    if (path.empty()) {  // the root directory itself: the topmost layer's
      found.fd = TRY(fs::open_beneath(root, ".", O_RDONLY | O_DIRECTORY));
      TRY(check(sys::newfstatat(root, "", &found.status, AT_EMPTY_PATH), "stat", "a layer"));
      return std::optional<Found>(std::move(found));
    }
    switch (TRY(look_in(root, path, found), path)) {
      case Verdict::kFound:
        return std::optional<Found>(std::move(found));
      case Verdict::kHidden:
        return std::optional<Found>();
      case Verdict::kMissing:
        break;
    }
  }
  return std::optional<Found>();
}

Result<std::vector<std::string>> Lower::names_in_root() const {
  std::vector<std::string> names;
  for (const int root : roots_)
    for (std::string& name : TRY(fs::list(root))) names.push_back(std::move(name));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Result<Attributes> attributes_of(int fd) {
  struct stat status {};
  TRY(check(sys::newfstatat(fd, "", &status, AT_EMPTY_PATH), "stat", ""));
  Attributes attributes{.mode = status.st_mode & 07777U,
                        .uid = status.st_uid,
                        .gid = status.st_gid,
                        .modified = status.st_mtim,
                        .xattrs = {}};
  std::string names(kNames, '\0');
  const long listed = sys::flistxattr(fd, names.data(), names.size());
  if (listed == -EOPNOTSUPP) return attributes;
  TRY(check(listed, "flistxattr", ""));
  names.resize(static_cast<std::size_t>(listed));
  for (std::size_t at = 0; at < names.size();) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    std::string value(kNames, '\0');
    const long size = TRY(check(sys::fgetxattr(fd, name.c_str(), value.data(), value.size()), "fgetxattr", name));
    value.resize(static_cast<std::size_t>(size));
    if (auto kept = TRY(admit({name, std::move(value)}))) attributes.xattrs.push_back(*std::move(kept));
  }
  return attributes;
}

}  // namespace convox::rootfs
