#include "runtime/overlay.h"

#include <fcntl.h>
#include <linux/mount.h>

#include <string_view>

namespace convox::runtime {
namespace {

constexpr std::uint64_t kTight = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
constexpr unsigned long kRecursive = 16384, kSlave = 1 << 19;  // MS_REC, MS_SLAVE

// One byte each, for fsconfig(2) takes 255 for all lower layers together. They show in the container's /proc/mounts, so
// they are plain letters as long as they last (some programs read that file as UTF-8), without what overlayfs or
// mountinfo escape.
std::string layer_name(std::size_t n) {
  constexpr std::string_view plain =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!$%&()*+-;<>?@[]^_`{|}~";
  return std::string(1, n < plain.size() ? plain[n] : static_cast<char>(0x80 + n - plain.size()));
}

}  // namespace

Result<UniqueFd> clone_tree(int dir, const char* path, bool whole, const std::string& what) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (*path ? 0 : AT_EMPTY_PATH) | (whole ? AT_RECURSIVE : 0);
  return UniqueFd(TRY(check(sys::open_tree(dir, path, flags | AT_SYMLINK_NOFOLLOW), "open_tree", what)));
}

Result<NewFileSystem> begin_overlay(const std::vector<UniqueFd>& trees, bool own) {
  TRY(check(sys::mount(nullptr, "/", nullptr, kRecursive | kSlave, nullptr), "mount", "/ as a slave"));
  NewFileSystem tmpfs = TRY(NewFileSystem::open("tmpfs"));
  const UniqueFd attached = TRY(tmpfs.create(kTight));
  TRY(check(sys::move_mount(attached.get(), "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH), "move_mount", "/"));
  TRY(check(sys::fchdir(attached.get()), "fchdir", ""));
  std::string lower;
  for (std::size_t i = 0; i < trees.size(); ++i) {
    const bool storage = own && i + 1 == trees.size();
    const std::string name = storage ? "own" : layer_name(i);
    if (!storage) lower += cat(i ? ":" : "", name);
    TRY(check(sys::mkdirat(attached.get(), name.c_str(), 0700), "mkdir", name));
    TRY(check(sys::move_mount(trees[i].get(), "", attached.get(), name.c_str(), MOVE_MOUNT_F_EMPTY_PATH), "move_mount",
              name));
  }
  NewFileSystem overlay = TRY(NewFileSystem::open("overlay"));
  TRY(overlay.set("lowerdir", lower));
  if (own) {
    TRY(overlay.set("upperdir", "own/upper"));
    TRY(overlay.set("workdir", "own/work"));
  }
  // What an image could forge with xattrs stays off: redirects and metadata-only copies lead to other layers' files.
  TRY(overlay.set("redirect_dir", "nofollow"));
  TRY(overlay.set("metacopy", "off"));
  TRY(overlay.set("index", "off"));
  TRY(overlay.set("xino", "off"));
  return overlay;
}

}  // namespace convox::runtime
