// How does the host side prepare the container's file system?
//
// As detached mounts, which no path shows and which die with their descriptors: nothing of a container is ever in the
// host's mount table. The overlay alone needs its layers attached somewhere while it is made (Linux before 6.15 takes
// no detached ones): that happens in a mount namespace which ends with it. launch_devices.cc makes /dev and /sys.
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "runtime/base/fs.h"
#include "runtime/container_root.h"
#include "runtime/launch.h"
#include "runtime/mount_attributes.h"
#include "runtime/overlay.h"

namespace convox::runtime {
namespace {

constexpr unsigned long kReadOnly = 1;  // MS_RDONLY

// A volume of convox's own comes into being where it is first used. Root's, as the layers are: the idmap makes it the
// container's.
Result<> make_directories(const std::string& path) {
  const fs::PlainModes modes;
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string part = path.substr(0, end);
    const long made = sys::mkdirat(AT_FDCWD, part.c_str(), 0755);
    if (made != -EEXIST) TRY(check(made, "mkdir", part));
  }
  return ok();
}

}  // namespace

Result<> Launch::set_attributes(int tree, std::uint64_t attributes, bool idmapped, bool whole,
                                const std::string& what) const {
  const int ids = idmapped ? user_namespace_.get() : -1;
  return change_mount(tree, {.set = attributes, .propagation = kPrivate, .user_namespace = ids, .whole = whole}, what);
}

// What the top layer says of "/", the upper directory must say too: it is what stat(2) will see there.
Result<> Launch::take_root_from(int layer) {
  struct stat top {};
  TRY(check(sys::newfstatat(layer, "", &top, AT_EMPTY_PATH), "stat", ""));
  if (top.st_uid != 0 || top.st_gid != 0)
    TRY(check(sys::fchownat(storage_.get(), "upper", top.st_uid, top.st_gid, 0), "chown", "upper"));
  root_mode_ = top.st_mode & 07777;
  return ok();
}

// Makes the overlay of `trees`: the layers, top first, and last the container's own storage. In a mount namespace of
// its own (overlay.h).
Result<UniqueFd> Launch::stack(const std::vector<UniqueFd>& trees, bool keep) const {
  NewFileSystem overlay = TRY(begin_overlay(trees, true));
  if (!keep) TRY(overlay.set("volatile"));
  // The overlay remembers who made it and writes as that one: so the container's root makes it. With the credentials of
  // the host's root, whose id no idmapped upper can hold, it would be read-only without a word.
  TRY(make_files_as(root_id()));
  die_with_parent();
  UniqueFd root = TRY(overlay.create(MOUNT_ATTR_NODEV));  // device nodes of an image never work: /dev is ours
  struct statfs fs {};
  TRY(check(sys::fstatfs(root.get(), &fs), "statfs", "the overlay"));
  if (static_cast<unsigned long>(fs.f_flags) & kReadOnly)
    return invalid("the overlay is read-only: its upper layer cannot be written");
  // A write through it, as its owner: the root's mode, which is due anyway.
  TRY(check(sys::fchmodat(root.get(), ".", root_mode_), "chmod", "the overlay's root"));
  return root;
}

// Idmapped mounts show the store's files, which have the container's own ids, as the host ids that those ids stand for:
// no file is ever chowned, and all containers share one copy of a layer.  mount_setattr(2), "ID-mapped mounts"
Result<> Launch::perform(const MountOverlay& step) {
  std::vector<UniqueFd> trees;  // top first, as overlayfs wants them
  for (auto chain = step.layers.rbegin(); chain != step.layers.rend(); ++chain) {
    const UniqueFd layer = TRY(containers_.store().layer(*chain));
    if (trees.empty()) TRY(take_root_from(layer.get()), *chain);
    trees.push_back(TRY(clone_tree(layer.get(), "", false, *chain)));
  }
  const UniqueFd skeleton = TRY(containers_.store().skeleton());
  trees.push_back(TRY(clone_tree(skeleton.get(), "", false, "the skeleton")));
  trees.push_back(TRY(clone_tree(storage_.get(), "", false, "the container's storage")));
  for (const UniqueFd& tree : trees) TRY(set_attributes(tree.get(), 0, step.idmapped, false, "a layer"));
  // There its credentials and working directory are its own too, so nothing has to be put back.
  Result<UniqueFd> root = invalid("the overlay was not made");
  helper_ = TRY(in_private_mounts([&] { root = stack(trees, step.keep); }));
  mounts_[0] = TRY(std::move(root));
  return ok();
}

Result<> Launch::perform(const OpenVolume& step) {
  const Volume& volume = step.volume;
  if (volume.make_source) TRY(make_directories(volume.source));
  const UniqueFd source = TRY(fs::open(volume.source, O_PATH));
  UniqueFd tree = TRY(clone_tree(source.get(), "", true, volume.source));
  const std::uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (volume.read_only ? MOUNT_ATTR_RDONLY : 0);
  Result<> set = set_attributes(tree.get(), attributes, step.idmapped, true, volume.source);
  if (!set && set.error().code == EINVAL && step.idmapped)
    return std::move(set).error().advise(
        "its file system cannot be idmapped: --userns host runs without a user namespace");
  TRY(std::move(set));
  mounts_.push_back(std::move(tree));
  return ok();
}

}  // namespace convox::runtime
