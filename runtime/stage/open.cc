// How does the stage open things in a root that somebody else filled?
//
// With openat2(2): RESOLVE_IN_ROOT makes the kernel treat the container's root as "/" during the whole walk, so that no
// link can lead out and nothing can be swapped between a check and a use (CVE-2021-30465). Where openat2 is missing, a
// walk of our own follows no links at all: stricter, never weaker.
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <sys/statfs.h>

#include <initializer_list>
#include <utility>

#include "runtime/stage/stage.h"

namespace convox::stage {
namespace {

constexpr int kRaces = 128;            // EAGAIN: a rename elsewhere may have disturbed the walk. openat2(2)
constexpr std::size_t kLongest = 255;  // of one component

// Takes the next component off `path`; false at its end.
bool next_component(const char** path, char* name, Errno* error) noexcept {
  while (**path == '/') ++*path;
  std::size_t size = 0;
  for (; (*path)[size] != '\0' && (*path)[size] != '/'; ++size) {
    if (size == kLongest) {
      *error = Errno(-ENAMETOOLONG);
      return false;
    }
    name[size] = (*path)[size];
  }
  name[size] = '\0';
  *path += size;
  return size > 0;
}

long walk_without_links(int root, const char* path, int flags) noexcept {
  char name[kLongest + 1];
  Errno error;
  const long start = sys::openat(root, ".", O_PATH | O_CLOEXEC | O_DIRECTORY);
  if (start < 0) return start;
  UniqueFd here(start);
  while (next_component(&path, name, &error)) {
    if (name[0] == '.' && name[1] == '.' && name[2] == '\0') return -EXDEV;
    const bool last = *path == '\0';
    const long fd = sys::openat(here.get(), name, (last ? flags : O_PATH) | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return fd;
    here.reset(static_cast<int>(fd));
    struct statx st {};
    if (const long rc = sys::statx(here.get(), "", AT_EMPTY_PATH, STATX_TYPE, &st); rc < 0) return rc;
    if ((st.stx_mode & S_IFMT) == S_IFLNK) return -ELOOP;
  }
  return error ? -error.value : here.release();
}

long resolve(int root, const char* path, int flags, bool plain) noexcept {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_NO_MAGICLINKS | (plain ? RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH : RESOLVE_IN_ROOT);
  if (plain)
    while (*path == '/') ++path;  // RESOLVE_BENEATH refuses absolute paths
  if (*path == '\0') path = ".";
  long fd = -EAGAIN;
  for (int race = 0; race < kRaces && fd == -EAGAIN; ++race) fd = sys::openat2(root, path, &how, sizeof how);
  return fd == -ENOSYS ? walk_without_links(root, path, flags) : fd;
}

bool is_plain(Target kind) noexcept { return kind == Target::kPlainDirectory || kind == Target::kPlainFile; }
bool is_file(Target kind) noexcept { return kind == Target::kFile || kind == Target::kPlainFile; }

constexpr int kLinks = 8;  // that lead nowhere yet, in one way; more are a loop
constexpr std::size_t kPath = 4096;

// Puts `parts`, with a slash between them, into `path`. False if there is no room.
bool join(char* path, std::initializer_list<std::string_view> parts) noexcept {
  std::size_t size = 0;
  for (const std::string_view part : parts) {
    if (size + part.size() + 2 > kPath) return false;
    for (const char c : part) path[size++] = c;
    path[size++] = '/';
  }
  path[size == 0 ? 0 : size - 1] = '\0';
  return true;
}

// Makes `path`, whose parent may be missing too. Each round makes one component of the way and starts over, so that
// nothing is remembered that a rename could have moved. A link that leads nowhere is followed inside the root: images
// ship /etc/resolv.conf as one to a file that systemd-resolved would make.
Errno make_missing(int root, const char* path, Target kind, int links = 0) noexcept {
  const bool plain = is_plain(kind);
  char way[4096];
  std::size_t end = 0;
  for (const char* at = path; *at != '\0';) {
    while (*at == '/') ++at;
    const std::size_t parent = end;
    if (end + 1 >= sizeof way) return Errno(-ENAMETOOLONG);
    way[end++] = '/';
    const std::size_t name = end;
    for (; *at != '\0' && *at != '/'; ++at) {
      if (end + 1 >= sizeof way) return Errno(-ENAMETOOLONG);
      way[end++] = *at;
    }
    if (name == end) break;  // a trailing slash
    way[end] = '\0';
    const UniqueFd there(resolve(root, way, O_PATH, plain));
    if (there) continue;
    way[parent] = '\0';
    const long opened = resolve(root, way, O_PATH | O_DIRECTORY, plain);
    if (opened < 0) return Errno(opened);
    const UniqueFd dir(opened);
    const char* rest = at;
    while (*rest == '/') ++rest;
    const bool file = *rest == '\0' && is_file(kind);
    const long made =
        file ? sys::mknodat(dir.get(), way + name, S_IFREG | 0644, 0) : sys::mkdirat(dir.get(), way + name, 0755);
    if (made == -EEXIST && !plain) {
      char target[kPath], next[kPath];
      const long size = sys::readlinkat(dir.get(), way + name, target, sizeof target - 1);
      if (size < 0) return Errno(size);
      if (links == kLinks) return Errno(-ELOOP);
      const std::string_view leads(target, static_cast<std::size_t>(size));
      const bool absolute = !leads.empty() && leads[0] == '/';
      const bool fits = absolute ? join(next, {leads, rest}) : join(next, {way, leads, rest});
      return fits ? make_missing(root, next, kind, links + 1) : Errno(-ENAMETOOLONG);
    }
    if (made < 0) return Errno(made);
    way[parent] = '/';
  }
  return {};
}

}  // namespace

UniqueFd open_inside(const Stage& stage, const char* path, int flags, bool plain, Errno* error) noexcept {
  const long result = resolve(stage.root, path, flags, plain);
  *error = Errno(result);
  return UniqueFd(result);
}

UniqueFd open_proc(const Stage& stage, const char* path, int flags, Errno* error) noexcept {
  flags |= O_CLOEXEC | (flags & O_PATH ? 0 : O_NONBLOCK);
  open_how how{};
  how.flags = static_cast<unsigned>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
  long fd = sys::openat2(stage.proc, path, &how, sizeof how);
  if (fd == -ENOSYS) fd = sys::openat(stage.proc, path, flags);
  *error = Errno(fd);
  UniqueFd file(fd);
  struct statx ours {
  }, found{};
  if (!*error) *error = Errno(sys::statx(stage.proc, "", AT_EMPTY_PATH, STATX_MNT_ID, &ours));
  if (!*error) *error = Errno(sys::statx(file.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &found));
  if (!*error && ours.stx_mnt_id != found.stx_mnt_id) *error = Errno(-EXDEV);
  return *error ? UniqueFd() : std::move(file);
}

Errno check_proc(int proc) noexcept {
  constexpr std::uint64_t kRootInode = 1;  // PROC_ROOT_INO
  struct statfs fs {};
  if (const long rc = sys::fstatfs(proc, &fs); rc < 0) return Errno(rc);
  struct statx st {};
  if (const long rc = sys::statx(proc, "", AT_EMPTY_PATH, STATX_INO, &st); rc < 0) return Errno(rc);
  return Errno(static_cast<unsigned long>(fs.f_type) == PROC_SUPER_MAGIC && st.stx_ino == kRootInode ? 0 : -EXDEV);
}

void use_proc(Stage& stage, UniqueFd proc) noexcept {
  const UniqueFd before(stage.proc);
  stage.proc = proc.release();
}

Errno have_proc(Stage& stage) noexcept {
  if (stage.proc >= 0) return {};
  const long opened = sys::openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (opened < 0) return Errno(opened);
  UniqueFd proc(opened);
  if (const Errno error = check_proc(proc.get()); error) return error;
  use_proc(stage, std::move(proc));
  return {};
}

UniqueFd open_mount_target(const Stage& stage, const char* path, Target kind, Errno* error) noexcept {
  UniqueFd target = open_target(stage, path, kind, error);
  if (!target || is_plain(kind)) return target;  // the plan's own, and no link led there
  struct statfs fs {};
  *error = Errno(sys::fstatfs(target.get(), &fs));
  if (*error) return {};
  for (const unsigned long kernels : {PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC})
    if (static_cast<unsigned long>(fs.f_type) == kernels) *error = Errno(-EXDEV);
  // Nor over a mount that is there already, such as our /dev: two things at one place is not what anybody asked for.
  struct statx found {};
  if (!*error) *error = Errno(sys::statx(target.get(), "", AT_EMPTY_PATH, STATX_TYPE, &found));
  if (!*error && (found.stx_attributes & STATX_ATTR_MOUNT_ROOT)) *error = Errno(-EXDEV);
  return *error ? UniqueFd() : std::move(target);
}

UniqueFd open_target(const Stage& stage, const char* path, Target kind, Errno* error) noexcept {
  const bool plain = is_plain(kind);
  UniqueFd target = open_inside(stage, path, O_PATH, plain, error);
  if (!target && error->value == ENOENT) {
    *error = make_missing(stage.root, path, kind);
    if (*error) return {};
    target = open_inside(stage, path, O_PATH, plain, error);
  }
  if (!target) return {};
  // A target of the wrong type would let an image choose what is covered: an error, not something to remove.
  struct statx st {};
  *error = Errno(sys::statx(target.get(), "", AT_EMPTY_PATH, STATX_TYPE, &st));
  if (*error) return {};
  const bool directory = (st.stx_mode & S_IFMT) == S_IFDIR;
  if (directory == is_file(kind)) {
    *error = Errno(directory ? -EISDIR : -ENOTDIR);
    return {};
  }
  return target;
}

long read_full(int fd, char* buffer, std::size_t size) noexcept {
  std::size_t got = 0;
  while (got < size) {
    const long n = sys::read(fd, buffer + got, size - got);
    if (n == -EINTR) continue;
    if (n < 0) return n;
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  return static_cast<long>(got);
}

}  // namespace convox::stage
