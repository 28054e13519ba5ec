#include "rootfs/image/tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "rootfs/image/layer_name.h"
#include "runtime/base/fs.h"

namespace convox::rootfs {
namespace {

constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

bool is_below(std::string_view path, std::string_view directory) {
  return directory.empty() ||
         (path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/');
}

}  // namespace

Result<> apply(int fd, const Attributes& attributes, bool mode_is_set) {
  if (attributes.uid != 0 || attributes.gid != 0) {
    TRY(check(sys::fchown(fd, attributes.uid, attributes.gid), "fchown", ""));
    mode_is_set &= (attributes.mode & 07000) == 0;
  }
  if (!mode_is_set) TRY(check(sys::fchmod(fd, attributes.mode), "fchmod", ""));
  for (const auto& [name, value] : attributes.xattrs)
    TRY(check(sys::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0), "fsetxattr", name));
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, attributes.modified};
  TRY(check(sys::utimensat(fd, nullptr, times, 0), "utimensat", ""));
  return ok();
}

Result<int> Tree::directory(std::string_view path) {
  while (!way_.empty() && way_.back().path != path && !is_below(path, way_.back().path)) way_.pop_back();
  while ((way_.empty() ? 0 : way_.back().path.size()) < path.size()) {
    const std::size_t from = way_.empty() ? 0 : way_.back().path.size() + 1;
    const std::string_view here = path.substr(0, std::min(path.find('/', from), path.size()));
    const std::string name(here.substr(from));
    const int dir = way_.empty() ? root_ : way_.back().fd.get();
    long fd = sys::openat(dir, name.c_str(), kDirectory | O_CLOEXEC);
    if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP) {
      TRY(make(dir, name, here), here);
      fd = sys::openat(dir, name.c_str(), kDirectory | O_CLOEXEC);
    }
    TRY(check(fd, "open", here));
    way_.push_back({std::string(here), UniqueFd(fd)});
  }
  return way_.empty() ? root_ : way_.back().fd.get();
}

Result<> Tree::make(int dir, const std::string& name, std::string_view path) {
  TRY(clear(dir, path));
  TRY(check(sys::mkdirat(dir, name.c_str(), 0700), "mkdir", name));
  Attributes attributes;
  if (const auto covered = TRY(lower_.find(path)); covered && S_ISDIR(covered->status.st_mode))
    attributes = TRY(attributes_of(covered->fd.get()));
  directories_.insert_or_assign(std::string(path), std::move(attributes));
  return ok();
}

Result<> Tree::describe(std::string_view path, Attributes attributes) {
  if (!path.empty()) {
    const int dir = TRY(directory(parent_of(path)));
    const std::string name(last_of(path));
    long made = sys::mkdirat(dir, name.c_str(), 0700);
    if (made == -EEXIST) {
      struct stat there {};
      TRY(check(sys::newfstatat(dir, name.c_str(), &there, AT_SYMLINK_NOFOLLOW), "stat", path));
      if (!S_ISDIR(there.st_mode)) {
        TRY(clear(dir, path));
        made = sys::mkdirat(dir, name.c_str(), 0700);
      } else {
        made = 0;
      }
    }
    TRY(check(made, "mkdir", path));
  }
  directories_.insert_or_assign(std::string(path), std::move(attributes));
  return ok();
}

Result<> Tree::clear(int dir, std::string_view path) {
  const std::string name(last_of(path));
  const long gone = sys::unlinkat(dir, name.c_str(), 0);
  if (gone == 0 || gone == -ENOENT) return ok();
  TRY(fs::remove_tree(dir, name));
  // Its directories are gone with it.
  while (!way_.empty() && (way_.back().path == path || is_below(way_.back().path, path))) way_.pop_back();
  directories_.erase(std::string(path));
  const std::string below = cat(path, '/');  // in a sorted map these stand together
  auto end = directories_.lower_bound(below);
  while (end != directories_.end() && end->first.starts_with(below)) end = directories_.erase(end);
  return ok();
}

Result<UniqueFd> Tree::existing(std::string_view directory) const {
  return fs::open_beneath(root_, directory.empty() ? "." : std::string(directory), O_PATH | O_DIRECTORY);
}

Result<std::optional<struct stat>> Tree::status(std::string_view path) const {
  const auto dir = existing(parent_of(path));
  if (!dir) {
    const int code = dir.error().code;
    if (code == ENOENT || code == ENOTDIR || code == ELOOP) return std::optional<struct stat>();
    return dir.error();
  }
  struct stat status {};
  const long rc = sys::newfstatat(dir->get(), std::string(last_of(path)).c_str(), &status, AT_SYMLINK_NOFOLLOW);
  if (rc == -ENOENT) return std::optional<struct stat>();
  TRY(check(rc, "stat", path));
  return std::optional<struct stat>(status);
}

Result<> Tree::finish() {
  if (!directories_.contains("")) {
    Attributes root;
    if (const auto covered = TRY(lower_.find(""))) root = TRY(attributes_of(covered->fd.get()));
    directories_.emplace("", std::move(root));
  }
  for (const auto& [path, attributes] : directories_) {
    const int dir = TRY(directory(path));
    TRY(apply(dir, attributes, false), path.empty() ? "/" : path);
  }
  return ok();
}

}  // namespace convox::rootfs
