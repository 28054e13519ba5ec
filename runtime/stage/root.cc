// How does the container's root become "/"?
//
// It is attached in a copy of the host's mount namespace, filled (mounts.cc), and then everything else is let go of. An
// exec finds it as it is.
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/stat.h>

#include <utility>

#include "runtime/stage/lines.h"

namespace convox::stage {
namespace {

constexpr int kDetach = 2;  // MNT_DETACH, which only <sys/mount.h> has; that one clashes with <linux/mount.h>
constexpr unsigned kByDescriptor = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
constexpr std::uint64_t kProc = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

// A place in mountinfo as it is: there \040 stands for a space, and so on.
bool unescape(std::string_view text, char* path, std::size_t room) noexcept {
  std::size_t size = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (size + 1 == room) return false;
    std::uint64_t code = 0;
    const bool escaped = text[i] == '\\' && i + 3 < text.size() && parse_number(text.substr(i + 1, 3), 8, &code);
    path[size++] = escaped ? static_cast<char>(code) : text[i];
    if (escaped) i += 3;
  }
  path[size] = '\0';
  return true;
}

// Whoever sees an unmasked procfs or sysfs somewhere in its mount namespace may have new ones, and what is below our
// root after MoveRoot stays in the namespace. Where one cannot be unmounted, because a user namespace has locked it, an
// empty file system covers it.  mount_namespaces(7), "Restrictions on mount namespaces"
Errno hide(const char* path) noexcept {
  if (sys::umount2(path, kDetach) == 0) return {};
  const long made = new_filesystem("tmpfs", MOUNT_ATTR_RDONLY | kProc);
  if (made < 0) return Errno(made);
  const UniqueFd tree(made);
  return Errno(sys::move_mount(tree.get(), "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH));
}

// One line of mountinfo: is it a procfs or sysfs, and none that the plan made?
bool shows_kernel(const Stage& stage, std::string_view line, std::string_view* place) noexcept {
  std::uint64_t id = 0;
  if (!parse_number(cut(&line, ' '), 10, &id)) return false;
  for (int skipped = 0; skipped < 3; ++skipped) cut(&line, ' ');
  *place = cut(&line, ' ');
  const std::size_t dash = line.find(" - ");
  if (dash == std::string_view::npos) return false;
  line.remove_prefix(dash + 3);
  const std::string_view type = cut(&line, ' ');
  for (std::uint32_t i = 0; i < stage.mount_count; ++i)
    if (stage.mounts[i].id == id) return false;
  return type == "proc" || type == "sysfs";
}

}  // namespace

// A new mount namespace is a copy, and copies of shared mounts still pass events to each other: what we mount would
// appear on the host. Slave: the host's unmounts reach us, nothing of ours goes back.  mount_namespaces(7)
Errno perform(const UnshareMounts&, Stage&) noexcept {
  return Errno(sys::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr));
}

// Over "/" of the copied namespace, a place that always exists: pivot_root wants a mount point. Or at `at`, where hooks
// look for it: that must be the very directory that the tree shows, however its name was resolved.
Errno perform(const AttachRoot& step, Stage& stage) noexcept {
  UniqueFd tree = stage.take(step.tree);
  if (step.at.size == 0) {
    if (const long rc = sys::move_mount(tree.get(), "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH); rc < 0)
      return Errno(rc);
  } else {
    open_how how{};
    how.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_NO_MAGICLINKS;
    const long place = sys::openat2(AT_FDCWD, stage.plan.text(step.at), &how, sizeof how);
    if (place < 0) return Errno(place);
    const UniqueFd target(place);
    struct statx shown {
    }, there{};
    if (const long rc = sys::statx(tree.get(), "", AT_EMPTY_PATH, STATX_INO, &shown); rc < 0) return Errno(rc);
    if (const long rc = sys::statx(target.get(), "", AT_EMPTY_PATH, STATX_INO, &there); rc < 0) return Errno(rc);
    if (shown.stx_ino != there.stx_ino || shown.stx_dev_major != there.stx_dev_major ||
        shown.stx_dev_minor != there.stx_dev_minor)
      return Errno(-ESTALE);
    if (const long rc = sys::move_mount(tree.get(), "", target.get(), "", kByDescriptor); rc < 0) return Errno(rc);
    stage.root_is_aside = true;
  }
  stage.root = tree.release();
  if (const long moved = sys::fchdir(stage.root); moved < 0) return Errno(moved);
  return note_mount(stage, stage.root, {.attributes = step.attributes, .whole = step.whole});
}

// setns(2) has made "/" of its mount namespace ours. Its /proc is to show what we are, and its root could have mounted
// something else there by now: only the root of a procfs will do. (One of another PID namespace has no `self` for us.)
// Where there is none a new one will, that nobody sees.
Errno perform(const EnterRoot&, Stage& stage) noexcept {
  const long root = sys::openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return Errno(root);
  stage.root = static_cast<int>(root);
  Errno error;
  UniqueFd proc = open_inside(stage, "/proc", O_PATH | O_DIRECTORY, true, &error);
  if (error.value == ENOENT) {
    const long made = new_filesystem("proc", kProc);
    error = Errno(made);
    proc = UniqueFd(made);
  }
  if (!error) error = check_proc(proc.get());
  if (!error) use_proc(stage, std::move(proc));
  return error;
}

// pivot_root(".", "."): the old root ends up on top of the new one, from where it is detached with all that was below
// it. No directory is needed for it, and nothing of the host stays reachable.  pivot_root(2), NOTES
Errno perform(const PivotRoot&, Stage& stage) noexcept {
  if (const Errno error = have_proc(stage); error) return error;  // the last chance: Verify reads it
  if (const long rc = sys::fchdir(stage.root); rc < 0) return Errno(rc);
  if (const long rc = sys::pivot_root(".", "."); rc < 0) return Errno(rc);
  if (const long rc = sys::umount2(".", kDetach); rc < 0) return Errno(rc);
  return Errno(sys::chdir("/"));
}

// The root goes over "/", and becomes the root directory of this process. Unlike pivot_root this leaves what was there
// in the mount namespace; no path leads to it.
Errno perform(const MoveRoot&, Stage& stage) noexcept {
  if (const Errno error = have_proc(stage); error) return error;
  Errno hidden;
  const Errno error = each_line(stage, "self/mountinfo", [&](std::string_view line) {
    char path[4096];
    std::string_view place;
    if (!shows_kernel(stage, line, &place)) return true;
    hidden = unescape(place, path, sizeof path) ? hide(path) : Errno(-ENAMETOOLONG);
    return !hidden;
  });
  if (error || hidden) return error ? error : hidden;
  if (const long rc = sys::fchdir(stage.root); rc < 0) return Errno(rc);
  if (stage.root_is_aside)
    if (const long rc = sys::move_mount(stage.root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH); rc < 0)
      return Errno(rc);
  if (const long rc = sys::chroot("."); rc < 0) return Errno(rc);
  return Errno(sys::chdir("/"));
}

Errno perform(const ReadOnlyRoot&, Stage& stage) noexcept {
  mount_attr set{};
  set.attr_set = MOUNT_ATTR_RDONLY;
  stage.mounts[0].attributes |= MOUNT_ATTR_RDONLY;  // the root is the first mount of every plan
  return Errno(sys::mount_setattr(stage.root, "", AT_EMPTY_PATH, &set, sizeof set));
}

// After the pivot: no mount of the host's hears of it.
Errno perform(const SetPropagation& step, Stage& stage) noexcept {
  mount_attr set{};
  set.propagation = step.propagation;
  constexpr unsigned kAll = 0x8000;  // AT_RECURSIVE
  return Errno(sys::mount_setattr(stage.root, "", AT_EMPTY_PATH | (step.recursive ? kAll : 0U), &set, sizeof set));
}

}  // namespace convox::stage
