#include "runtime/changes.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "runtime/base/fs.h"

namespace convox::runtime {
namespace {

constexpr int kDeepest = 256;  // two descriptors a level
constexpr int kEntry = O_PATH | O_NOFOLLOW | O_CLOEXEC;

struct Entry {
  UniqueFd fd;  // O_PATH; none: there is nothing of this name
  struct stat st {};
  [[nodiscard]] bool directory() const { return fd && S_ISDIR(st.st_mode); }
  [[nodiscard]] bool whiteout() const { return fd && S_ISCHR(st.st_mode) && st.st_rdev == 0; }
};

Result<Entry> look_up(int dir, const std::string& name) {
  Entry entry;
  const long found = sys::openat(dir, name.c_str(), kEntry);
  if (found == -ENOENT) return entry;
  entry.fd = UniqueFd(TRY(check(found, "open", name)));
  TRY(check(sys::newfstatat(entry.fd.get(), "", &entry.st, AT_EMPTY_PATH), "stat", name));
  return entry;
}

// What stands in for a removed directory that was made again. The attribute is trusted.*: a container cannot forge it.
Result<bool> is_opaque(const Entry& directory, const std::string& path) {
  const long opened = sys::openat(directory.fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const UniqueFd own(TRY(check(opened, "open", path)));
  char value = 0;
  const long size = sys::fgetxattr(own.get(), "trusted.overlay.opaque", &value, 1);
  if (size != -ENODATA && size != -ERANGE) TRY(check(size, "getxattr", path));
  return size == 1 && value == 'y';
}

class Walk {
 public:
  // `image` is -1 where the image has no such directory.
  Result<> directory(int upper, int image, bool opaque, const std::string& path, int depth) {
    if (depth == kDeepest) return invalid(cat(path, ": more than ", kDeepest, " directories deep"));
    const std::vector<std::string> names = TRY(fs::list(upper), path);
    for (const std::string& name : names) TRY(entry(upper, image, name, cat(path, "/", name), depth));
    if (!opaque || image < 0) return ok();
    for (const std::string& name : TRY(fs::list(image), path))  // covered as a whole, without whiteouts
      if (!std::binary_search(names.begin(), names.end(), name)) add(Change::Kind::kDeleted, cat(path, "/", name));
    return ok();
  }

  std::vector<Change> changes;

 private:
  Result<> entry(int upper, int image, const std::string& name, const std::string& path, int depth) {
    const Entry now = TRY(look_up(upper, name), path);
    if (!now.fd) return ok();  // gone since
    Entry before;
    if (image >= 0) before = TRY(look_up(image, name), path);
    if (now.whiteout()) {
      if (before.fd) add(Change::Kind::kDeleted, path);
      return ok();
    }
    add(before.fd ? Change::Kind::kChanged : Change::Kind::kAdded, path);
    if (!now.directory()) return ok();
    const bool opaque = TRY(is_opaque(now, path));
    return directory(now.fd.get(), before.directory() ? before.fd.get() : -1, opaque, path, depth + 1);
  }

  void add(Change::Kind kind, std::string path) { changes.push_back({kind, std::move(path)}); }
};

}  // namespace

Result<std::vector<Change>> find_changes(int upper, int image) {
  Walk walk;
  TRY(walk.directory(upper, image, false, "", 0));
  std::ranges::sort(walk.changes, {}, &Change::path);
  return std::move(walk.changes);
}

}  // namespace convox::runtime
