// How does the container's file system come about, below its root?
//
// Every mount is built detached and attached by descriptor (fsopen, fsmount, open_tree, mount_setattr, move_mount): no
// path is walked twice, and the container never sees a mount whose flags are still to be set.
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/stat.h>
#include <sys/statfs.h>

#include <utility>

#include "runtime/stage/stage.h"

namespace convox::stage {
namespace {

constexpr unsigned kByDescriptor = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;

// Sets one option, KEY=VALUE or KEY, cut here because the kernel wants the two apart.  fsconfig(2)
long set_option(int context, std::string_view option) noexcept {
  char key[64];
  const std::string_view name = option.substr(0, option.find('='));
  if (name.size() >= sizeof key) return -EINVAL;
  for (std::size_t at = 0; at < name.size(); ++at) key[at] = name[at];
  key[name.size()] = '\0';
  if (name.size() == option.size()) return sys::fsconfig(context, FSCONFIG_SET_FLAG, key, nullptr, 0);
  return sys::fsconfig(context, FSCONFIG_SET_STRING, key, option.data() + name.size() + 1, 0);
}

constexpr std::uint64_t kInert = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

// The read-only directory that covers every masked one: a single inode, so that even a hole in "read-only" has no room.
Errno attach_empty_directory(Stage& stage, const UniqueFd& target) noexcept {
  constexpr std::string_view options[] = {"mode=555", "nr_blocks=1", "nr_inodes=1"};
  const long made = new_filesystem("tmpfs", kInert, options, 3);
  if (made < 0) return Errno(made);
  UniqueFd tree(made);
  const Errno error = attach(stage, tree.get(), target, {.attributes = kInert});
  if (!error) stage.empty_directory = tree.release();
  return error;
}

// Shows the mount behind `source` (a descriptor in this mount namespace) once more, at `target`. `whole`: with all that
// is mounted below it.
Errno bind(Stage& stage, int source, const UniqueFd& target, std::uint64_t attributes, bool whole = false) noexcept {
  constexpr unsigned kRecursive = 0x8000;  // AT_RECURSIVE
  const unsigned how = AT_EMPTY_PATH | (whole ? kRecursive : 0U);
  const long cloned = sys::open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | how);
  if (cloned < 0) return Errno(cloned);
  const UniqueFd tree(cloned);
  mount_attr set{};
  set.attr_set = attributes;
  if (const long rc = sys::mount_setattr(tree.get(), "", how, &set, sizeof set); rc < 0) return Errno(rc);
  return attach(stage, tree.get(), target, {.attributes = attributes, .whole = whole, .below = attributes});
}

constexpr std::size_t kModeOption = 9;

// "mode=0755" and a NUL, of the directory at `path`. False if there is none yet.
bool mode_of(const Stage& stage, const char* path, char (&option)[kModeOption + 1]) noexcept {
  Errno error;
  struct statx st {};
  const UniqueFd directory = open_inside(stage, path, O_PATH | O_DIRECTORY, false, &error);
  if (!directory || sys::statx(directory.get(), "", AT_EMPTY_PATH, STATX_MODE, &st) < 0) return false;
  char* out = option;
  for (const char c : std::string_view("mode=")) *out++ = c;
  for (int shift = 9; shift >= 0; shift -= 3) *out++ = static_cast<char>('0' + (st.stx_mode >> shift & 7));
  *out = '\0';
  return true;
}

// There is nothing at that place: this kernel has no such file.
bool is_missing(Errno error) noexcept { return error.value == ENOENT || error.value == ENOTDIR; }

}  // namespace

long new_filesystem(const char* type, std::uint64_t attributes, const std::string_view* options,
                    std::uint32_t count) noexcept {
  const long opened = sys::fsopen(type, FSOPEN_CLOEXEC);
  const UniqueFd context(opened);
  if (!context) return opened;
  for (std::uint32_t i = 0; i < count; ++i)
    if (const long rc = set_option(context.get(), options[i]); rc < 0) return rc;
  if (const long rc = sys::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0); rc < 0) return rc;
  return sys::fsmount(context.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes));
}

Errno note_mount(Stage& stage, int tree, const MadeMount& made) noexcept {
  if (stage.mount_count == kMaxMounts) return Errno(-E2BIG);
  struct statx st {};
  if (const long rc = sys::statx(tree, "", AT_EMPTY_PATH, STATX_MNT_ID, &st); rc < 0) return Errno(rc);
  if (!(st.stx_mask & STATX_MNT_ID)) return Errno(-ENOSYS);
  stage.mounts[stage.mount_count] = made;
  stage.mounts[stage.mount_count++].id = st.stx_mnt_id;
  return {};
}

Errno attach(Stage& stage, int tree, const UniqueFd& target, const MadeMount& made) noexcept {
  if (const long rc = sys::move_mount(tree, "", target.get(), "", kByDescriptor); rc < 0) return Errno(rc);
  return note_mount(stage, tree, made);
}

Errno bind_console(Stage& stage, int slave, const UniqueFd& console) noexcept {
  return bind(stage, slave, console, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

Errno perform(const MountNew& step, Stage& stage) noexcept {
  constexpr std::uint32_t kMaxOptions = 64;
  Errno error;
  char mode[kModeOption + 1];
  const bool takes_mode = step.takes_mode && mode_of(stage, stage.plan.text(step.target), mode);
  const UniqueFd target = open_mount_target(stage, stage.plan.text(step.target), step.kind, &error);
  if (!target) return error;
  std::uint32_t count = step.options.count;
  if (count > kMaxOptions) return Errno(-E2BIG);
  std::string_view options[kMaxOptions + 1];
  for (std::uint32_t i = 0; i < count; ++i) options[i] = stage.plan.view(stage.plan.item(step.options, i));
  if (takes_mode) options[count++] = {mode, kModeOption};
  const long made = new_filesystem(stage.plan.text(step.type), step.attributes, options, count);
  if (made < 0) return Errno(made);
  UniqueFd tree(made);
  error = attach(stage, tree.get(), target, {.attributes = step.attributes});
  if (!error && step.propagation != 0) {
    mount_attr set{};
    set.propagation = step.propagation;
    error = Errno(sys::mount_setattr(tree.get(), "", AT_EMPTY_PATH, &set, sizeof set));
  }
  if (!error && stage.plan.view(step.type) == "proc") use_proc(stage, std::move(tree));
  return error;
}

Errno perform(const AttachTree& step, Stage& stage) noexcept {
  Errno error;
  const UniqueFd target = open_mount_target(stage, stage.plan.text(step.target), step.kind, &error);
  if (!target) return error;
  const UniqueFd tree = stage.take(step.tree);
  return attach(stage, tree.get(), target, {.attributes = step.attributes, .whole = step.whole, .below = step.below});
}

// The file is on our /dev, which bounds what the container can write into it. Once it is shown at its place its own
// name goes.
Errno perform(const PlaceFile& step, Stage& stage) noexcept {
  Errno error;
  const UniqueFd dev = open_inside(stage, "/dev", O_PATH | O_DIRECTORY, true, &error);
  if (!dev) return error;
  const char* name = stage.plan.text(step.name);
  const long opened = sys::openat(dev.get(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (opened < 0) return Errno(opened);
  const UniqueFd file(opened);
  const UniqueFd target = open_mount_target(stage, stage.plan.text(step.target), Target::kFile, &error);
  if (!target) return error;
  error = bind(stage, file.get(), target, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  return error ? error : Errno(sys::unlinkat(dev.get(), name, 0));
}

// The directory shown over itself: a mount of its own, which ReadOnlyRoot does not concern. What the image has in it
// stays.
Errno perform(const ImageVolume& step, Stage& stage) noexcept {
  Errno error;
  const UniqueFd target = open_mount_target(stage, stage.plan.text(step.path), Target::kDirectory, &error);
  if (!target) return error;
  return bind(stage, target.get(), target, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

// What is missing is the one thing that may be passed over: there is nothing to hide. /proc and
// /sys themselves cannot be covered: open_mount_target.
Errno perform(const Mask& step, Stage& stage) noexcept {
  Errno error;
  const UniqueFd target = open_inside(stage, stage.plan.text(step.path), O_PATH | O_NOFOLLOW, true, &error);
  if (!target) return is_missing(error) ? Errno() : error;
  struct statx st {};
  if (const long rc = sys::statx(target.get(), "", AT_EMPTY_PATH, STATX_TYPE, &st); rc < 0) return Errno(rc);
  if ((st.stx_mode & S_IFMT) == S_IFDIR) {
    if (stage.empty_directory < 0) return attach_empty_directory(stage, target);
    return bind(stage, stage.empty_directory, target, kInert);
  }
  // Our own null device, checked by its numbers: an image that made /dev/null a link once chose what the mask showed
  // (CVE-2025-31133). NODEV must stay clear, or opening the mask would fail instead of reading as empty.
  const UniqueFd null = open_inside(stage, "/dev/null", O_PATH | O_NOFOLLOW, true, &error);
  if (!null) return error;
  if (const long rc = sys::statx(null.get(), "", AT_EMPTY_PATH, STATX_TYPE, &st); rc < 0) return Errno(rc);
  if ((st.stx_mode & S_IFMT) != S_IFCHR || st.stx_rdev_major != 1 || st.stx_rdev_minor != 3) return Errno(-ENODEV);
  return bind(stage, null.get(), target, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

// Its other flags are those of the mount that it lies on.
Errno perform(const ReadOnly& step, Stage& stage) noexcept {
  Errno error;
  const UniqueFd target = open_inside(stage, stage.plan.text(step.path), O_PATH | O_NOFOLLOW, true, &error);
  if (!target) return is_missing(error) ? Errno() : error;
  return bind(stage, target.get(), target, MOUNT_ATTR_RDONLY, true);
}

// Only what the plan itself mounted there: had a link led elsewhere, something else would become read-only, and what
// was asked for would not.
Errno perform(const MakeReadOnly& step, Stage& stage) noexcept {
  Errno error;
  const UniqueFd target = open_inside(stage, stage.plan.text(step.target), O_PATH, false, &error);
  if (!target) return error;
  struct statx st {};
  if (const long rc = sys::statx(target.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &st); rc < 0) return Errno(rc);
  if (!(st.stx_attributes & STATX_ATTR_MOUNT_ROOT)) return Errno(-EINVAL);
  for (std::uint32_t i = 0; i < stage.mount_count; ++i) {
    if (stage.mounts[i].id != st.stx_mnt_id) continue;
    stage.mounts[i].attributes |= MOUNT_ATTR_RDONLY;
    mount_attr set{};
    set.attr_set = MOUNT_ATTR_RDONLY;
    return Errno(sys::mount_setattr(target.get(), "", AT_EMPTY_PATH, &set, sizeof set));
  }
  return Errno(-EINVAL);
}

}  // namespace convox::stage
