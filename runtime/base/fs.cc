#include "runtime/base/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace convox::fs {
namespace {

constexpr int kRaces = 128;  // openat2 says EAGAIN when a rename elsewhere may have disturbed the walk: openat2(2)
constexpr int kLinks = 40;   // the kernel's own limit on symbolic links in one walk: path_resolution(7)

long try_openat2(int dir, const std::string& path, int flags, unsigned mode, unsigned long long resolve) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  // openat2 refuses a mode it would not use, where openat ignores it.
  how.mode = (flags & (O_CREAT | __O_TMPFILE)) ? mode : 0;
  how.resolve = resolve;
  long fd = 0;
  for (int race = 0; race < kRaces; ++race) {
    fd = sys::openat2(dir, path.c_str(), &how, sizeof how);
    if (fd != -EAGAIN) break;
  }
  return fd;
}

// The walk of open_in_root for kernels on which openat2 is missing or hidden: every component is opened
// O_PATH|O_NOFOLLOW from the descriptor before it, a link's target is walked in its place, and `..` pops a descriptor
// that we opened ourselves, so that no rename can lead above the root.
long walk_in_root(int root, const std::string& path, int flags, unsigned mode, bool links) {
  std::vector<UniqueFd> way;  // descriptors from the root down
  auto here = [&] { return way.empty() ? root : way.back().get(); };
  std::vector<std::string> rest;  // components still to walk, the next one last
  auto push = [&](std::string_view text) {
    std::vector<std::string> parts;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('/', at), text.size());
      if (end > at && text.substr(at, end - at) != ".") parts.emplace_back(text.substr(at, end - at));
      at = end + 1;
    }
    rest.insert(rest.end(), parts.rbegin(), parts.rend());
  };
  push(path);
  for (int followed = 0; !rest.empty();) {
    const std::string name = std::move(rest.back());
    rest.pop_back();
    if (name == "..") {
      if (!links) return -EXDEV;
      if (!way.empty()) way.pop_back();
      continue;
    }
    const bool last = rest.empty();
    UniqueFd next(sys::openat(here(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat st {};
    if (!next) {
      if (last && (flags & O_CREAT))
        return sys::openat(here(), name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_EXCL, mode);
      return sys::openat(here(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);  // its errno
    }
    if (const long rc = sys::newfstatat(next.get(), "", &st, AT_EMPTY_PATH); rc < 0) return rc;
    if (S_ISLNK(st.st_mode) && !(last && (flags & O_NOFOLLOW))) {
      if (!links || ++followed > kLinks) return -ELOOP;
      char target[4096];
      const long size = sys::readlinkat(next.get(), "", target, sizeof target);
      if (size < 0) return size;
      if (size == sizeof target) return -ENAMETOOLONG;
      if (size > 0 && target[0] == '/') way.clear();
      push({target, static_cast<std::size_t>(size)});
      continue;
    }
    if (last) return sys::openat(here(), name.c_str(), (flags & ~O_CREAT) | O_CLOEXEC | O_NOFOLLOW);
    way.push_back(std::move(next));
  }
  return sys::openat(here(), ".", flags | O_CLOEXEC);
}

struct Entry {
  std::string name;
  bool directory = false;  // false also where the file system does not say
};

Result<std::vector<Entry>> entries(int dir) {
  // A descriptor of its own: the offset of a directory descriptor is shared with whoever else holds it.
  const UniqueFd own(TRY(check(sys::openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open", ".")));
  std::vector<Entry> found;
  alignas(dirent64) char buffer[32768] __attribute__((uninitialized));
  for (;;) {
    const long got = sys::getdents64(own.get(), buffer, sizeof buffer);
    if (got < 0) return os_error("getdents64", "", Errno(got));
    if (got == 0) return found;
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
      if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
        found.push_back({entry->d_name, entry->d_type == DT_DIR});
      at += entry->d_reclen;
    }
  }
}

// Removes what is not a directory, or is an empty one. False: a directory with something in it.
Result<bool> remove_one(int dir, const Entry& entry) {
  if (!entry.directory) {
    const long gone = sys::unlinkat(dir, entry.name.c_str(), 0);
    if (gone == 0 || gone == -ENOENT) return true;
    if (gone != -EISDIR) return os_error("unlink", entry.name, Errno(gone));
  }
  const long gone = sys::unlinkat(dir, entry.name.c_str(), AT_REMOVEDIR);
  if (gone == 0 || gone == -ENOENT) return true;
  if (gone != -ENOTEMPTY && gone != -EEXIST) return os_error("rmdir", entry.name, Errno(gone));
  return false;
}

constexpr int kDescent = 16;

// Empties `directory`, which is `depth` levels below `top`. Descends with a descriptor and a stack frame a level, but
// not as deep as a container may like: what is not empty at the last level moves up into `top`, to be emptied in its
// turn.
Result<> empty(int top, int directory, int depth) {
  for (const Entry& entry : TRY(entries(directory))) {
    bool gone = TRY(remove_one(directory, entry));
    if (gone) continue;
    if (depth == kDescent) {
      TRY(check(sys::renameat2(directory, entry.name.c_str(), top, random_hex(16).c_str(), 0), "rename", entry.name));
      continue;
    }
    const UniqueFd below = TRY(open_beneath(directory, entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    TRY(empty(top, below.get(), depth + 1));
    gone = TRY(remove_one(directory, {entry.name, true}));
    if (!gone) return os_error("rmdir", entry.name, Errno(-ENOTEMPTY));
  }
  return ok();
}

Result<UniqueFd> opened(long fd, const std::string& path) {
  if (fd < 0) return os_error("open", path, Errno(fd));
  return UniqueFd(fd);
}

Result<UniqueFd> resolved(int dir, const std::string& path, int flags, unsigned mode, unsigned long long resolve,
                          bool links) {
  long fd = try_openat2(dir, path, flags, mode, resolve);
  if (fd == -ENOSYS) fd = walk_in_root(dir, path, flags, mode, links);
  return opened(fd, path);
}

// Opens before it makes: what is asked for is nearly always there, and mkdir(2) would find that out only with the
// directory above locked against all others.
template <class Open, class Make>
Result<UniqueFd> opened_or_made(const Open& open_it, const Make& make_it, const std::string& name) {
  Result<UniqueFd> there = open_it();
  if (there || there.error().code != ENOENT) return there;
  const long made = make_it();
  if (made < 0 && made != -EEXIST) return os_error("mkdir", name, Errno(made));
  return open_it();
}

// As `mkdir -p` does, with 0700 for the last.
long make_with_parents(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    sys::mkdirat(AT_FDCWD, path.substr(0, at).c_str(), 0755);
  return sys::mkdirat(AT_FDCWD, path.c_str(), 0700);
}

}  // namespace

Result<UniqueFd> open(const std::string& path, int flags, unsigned mode) {
  return opened(sys::openat(AT_FDCWD, path.c_str(), flags | O_CLOEXEC, mode), path);
}

Result<UniqueFd> open_beneath(int dir, const std::string& path, int flags, unsigned mode) {
  return resolved(dir, path, flags, mode,
                  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS, false);
}

Result<UniqueFd> open_in_root(int root, const std::string& path, int flags, unsigned mode) {
  return resolved(root, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, true);
}

Result<UniqueFd> open_private_directory(const std::string& path) {
  UniqueFd dir = TRY(opened_or_made([&] { return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW); },
                                    [&] { return make_with_parents(path); }, path));
  struct stat st {};
  TRY(check(sys::newfstatat(dir.get(), "", &st, AT_EMPTY_PATH), "stat", path));
  if (st.st_uid != 0 && st.st_uid != ::geteuid())
    return invalid(cat(path, " belongs to uid ", st.st_uid, ", it must belong to root"));
  if (st.st_mode & 0022) return invalid(cat(path, " can be written by others than its owner"));
  return dir;
}

Result<UniqueFd> make_and_open_directory(int dir, const std::string& name, unsigned mode) {
  return opened_or_made([&] { return open_beneath(dir, name, O_RDONLY | O_DIRECTORY); },
                        [&] { return sys::mkdirat(dir, name.c_str(), mode); }, name);
}

Result<std::string> read_all(int fd, std::string_view what, std::size_t limit) {
  std::string content;
  char buffer[16384] __attribute__((uninitialized));  // clearing it would cost more than the read of a small file
  for (;;) {
    const long got = sys::read(fd, buffer, sizeof buffer);
    if (got == -EINTR) continue;
    if (got < 0) return os_error("read", what, Errno(got));
    if (got == 0) return content;
    if (content.size() + static_cast<std::size_t>(got) > limit)
      return invalid(cat("read ", what, ": larger than ", limit, " bytes"));
    content.append(buffer, static_cast<std::size_t>(got));
  }
}

Result<std::string> read(int dir, const std::string& path, std::size_t limit) {
  // O_NONBLOCK: a FIFO under this name must not hang us (CVE-2024-9676).
  UniqueFd file = TRY(opened(sys::openat(dir, path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC), path));
  struct stat st {};
  TRY(check(sys::newfstatat(file.get(), "", &st, AT_EMPTY_PATH), "stat", path));
  if (!S_ISREG(st.st_mode)) return invalid(cat("read ", path, ": not a regular file"));
  return read_all(file.get(), path, limit);
}

Result<std::string> read_once(int dir, const std::string& path) {
  UniqueFd file = TRY(opened(sys::openat(dir, path.c_str(), O_RDONLY | O_CLOEXEC), path));
  char buffer[8192] __attribute__((uninitialized));
  const long got = TRY(check(sys::read(file.get(), buffer, sizeof buffer), "read", path));
  if (got == sizeof buffer) return invalid(cat("read ", path, ": larger than ", sizeof buffer, " bytes"));
  return std::string(buffer, static_cast<std::size_t>(got));
}

Result<> write_all(int fd, std::string_view bytes, std::string_view what) {
  while (!bytes.empty()) {
    const long put = sys::write(fd, bytes.data(), bytes.size());
    if (put == -EINTR) continue;
    if (put < 0) return os_error("write", what, Errno(put));
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return ok();
}

Result<> write_once(int dir, const std::string& path, std::string_view value) {
  UniqueFd file = TRY(opened(sys::openat(dir, path.c_str(), O_WRONLY | O_CLOEXEC), path));
  TRY(check(sys::write(file.get(), value.data(), value.size()), "write", cat(path, " = ", value)));
  return ok();
}

Result<> replace(int dir, const std::string& name, std::string_view content, unsigned mode, Durable durable) {
  const std::string temporary = cat(".tmp-", random_hex(8));
  auto written = [&]() -> Result<> {
    UniqueFd file = TRY(opened(
        sys::openat(dir, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode), temporary));
    TRY(write_all(file.get(), content, temporary));
    if (durable == Durable::kYes) TRY(check(sys::fsync(file.get()), "fsync", temporary));
    TRY(check(sys::renameat2(dir, temporary.c_str(), dir, name.c_str(), 0), "rename", temporary));
    if (durable == Durable::kYes) TRY(check(sys::fsync(dir), "fsync", "the directory"));
    return ok();
  }();
  if (!written) {
    sys::unlinkat(dir, temporary.c_str(), 0);
    return std::move(written).error().under(cat("writing ", name));
  }
  return ok();
}

Result<std::vector<std::string>> list(int dir) {
  std::vector<std::string> names;
  for (Entry& entry : TRY(entries(dir))) names.push_back(std::move(entry.name));
  std::sort(names.begin(), names.end());
  return names;
}

Result<> remove_tree(int dir, const std::string& name) {
  for (bool gone = TRY(remove_one(dir, {name}), name); !gone; gone = TRY(remove_one(dir, {name, true}), name)) {
    const UniqueFd top = TRY(open_beneath(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    TRY(empty(top.get(), top.get(), 0), name);
  }
  return ok();
}

std::string random_hex(std::size_t bytes) {
  std::string random(bytes, '\0');
  for (std::size_t at = 0; at < bytes;) {
    const long got = sys::getrandom(random.data() + at, bytes - at, 0);
    if (got > 0) at += static_cast<std::size_t>(got);
  }
  std::string hex;
  for (const unsigned char byte : random) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

bool is_component(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

Result<bool> is_of_the_kernel(int fd, const std::string& path) {
  struct statfs fs {};
  TRY(check(sys::fstatfs(fd, &fs), "fstatfs", path));
  constexpr long types[] = {PROC_SUPER_MAGIC,   SYSFS_MAGIC,   CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
                            DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC,      SECURITYFS_MAGIC,
                            BPF_FS_MAGIC,       0x19800202 /* mqueue */};
  return std::ranges::find(types, static_cast<long>(fs.f_type)) != std::end(types);
}

}  // namespace convox::fs
