#include "runtime/copy_tree.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/statfs.h>

#include <algorithm>

#include "runtime/base/fs.h"
#include "runtime/copy_data.h"

namespace convox::runtime {
namespace {

constexpr int kDeepest = 256;  // two descriptors a level
constexpr std::size_t kMostNamed = 5;
constexpr unsigned kModes = 01777, kArchiveModes = 07777;

// The file that `fd` (O_PATH) is, whatever has its name now. O_NONBLOCK: some files of /proc wait for news.
Result<UniqueFd> reopen(int fd, const std::string& path) {
  const std::string link = cat("/proc/self/fd/", fd);
  const long opened = sys::openat(AT_FDCWD, link.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  return UniqueFd(TRY(check(opened, "open", path)));
}

Result<> check_place(int dir, const std::string& path) {
  if (TRY(fs::is_of_the_kernel(dir, path))) return invalid(cat(path, ": its place is on a file system of the kernel"));
  return ok();
}

// May `name` of `dir` be replaced by something that is not a directory? Renaming over a mount point would take the
// mount away from the container, for the kernel protects only those of our own mount namespace.  mount_namespaces(7)
Result<> check_replaceable(int dir, const std::string& name, const std::string& path) {
  struct statx above {
  }, there{};
  const unsigned wanted = STATX_MNT_ID | STATX_TYPE;
  const long found = sys::statx(dir, name.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, wanted, &there);
  if (found == -ENOENT) return ok();
  TRY(check(found, "statx", path));
  TRY(check(sys::statx(dir, "", AT_EMPTY_PATH, wanted, &above), "statx", path));
  if (above.stx_mnt_id != there.stx_mnt_id) return invalid(cat(path, ": its place is a mount point"));
  if (S_ISDIR(there.stx_mode)) return invalid(cat(path, ": in its place is a directory"));
  return ok();
}

class TreeCopy {
 public:
  TreeCopy(const Side& from, const Side& to, const CopyWishes& wishes) : from_(from), to_(to), wishes_(wishes) {}

  Result<> copy(const Source& source, const Target& target, const std::string& name) {
    TRY(check_place(target.directory.get(), name));
    struct stat st {};
    TRY(check(sys::newfstatat(source.entry.get(), "", &st, AT_EMPTY_PATH), "stat", name));
    if (S_ISSOCK(st.st_mode) || S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
      return invalid(cat(name, " is a ", S_ISSOCK(st.st_mode) ? "socket" : "device"));
    if (target.name.empty()) return fill({source.entry.get(), st, name}, target.directory.get(), false, 0);
    return put({source.entry.get(), st, name}, target.directory.get(), target.name, false, 0);
  }

  LeftOut left_out;

 private:
  struct Entry {
    int fd;  // O_PATH
    struct stat st;
    std::string path;  // for errors
  };

  // Copies an entry to `name` of `dir`. `fresh`: below a directory of ours that nobody knows yet, where names are free.
  Result<> put(const Entry& entry, int dir, const std::string& name, bool fresh, int depth) {
    TRY(wishes_.go_on());
    const unsigned kind = entry.st.st_mode & S_IFMT;
    if (kind == S_IFCHR || kind == S_IFBLK || kind == S_IFSOCK) return leave_out(entry);
    if (kind == S_IFDIR) return put_directory(entry, dir, name, fresh, depth);
    if (!fresh) TRY(check_replaceable(dir, name, entry.path));
    return whole(dir, name, fresh, 0, [&](const std::string& as) {
      if (kind == S_IFLNK) return make_link(entry, dir, as);
      return kind == S_IFIFO ? make_fifo(entry, dir, as) : make_file(entry, dir, as);
    });
  }

  Result<> put_directory(const Entry& entry, int dir, const std::string& name, bool fresh, int depth) {
    if (depth == kDeepest) return invalid(cat(entry.path, ": more than ", kDeepest, " directories deep"));
    if (depth > 0 && TRY(fs::is_of_the_kernel(entry.fd, entry.path))) return leave_out(entry);
    constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if (!fresh) {
      const long found = sys::openat(dir, name.c_str(), flags);
      const UniqueFd there(found);
      if (there) return fill(entry, there.get(), false, depth);
      if (found == -ENOTDIR || found == -ELOOP) return invalid(cat(entry.path, ": in its place is no directory"));
      if (found != -ENOENT) return os_error("open", entry.path, Errno(found));
    }
    return whole(dir, name, fresh, RENAME_NOREPLACE, [&](const std::string& as) -> Result<> {
      TRY(check(sys::mkdirat(dir, as.c_str(), 0700), "mkdir", entry.path));
      const UniqueFd made(TRY(check(sys::openat(dir, as.c_str(), flags), "open", entry.path)));
      TRY(fill(entry, made.get(), true, depth));
      return set_attributes(entry, made.get());
    });
  }

  // Copies what is in the directory `entry` into `dir`.
  Result<> fill(const Entry& entry, int dir, bool fresh, int depth) {
    if (!fresh) TRY(check_place(dir, entry.path));
    for (const std::string& name : TRY(fs::list(entry.fd), "reading ", entry.path)) {
      const long found = sys::openat(entry.fd, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
      if (found == -ENOENT) continue;  // gone since
      const std::string path = cat(entry.path, entry.path.ends_with('/') ? "" : "/", name);
      const UniqueFd child(TRY(check(found, "open", path)));
      struct stat st {};
      TRY(check(sys::newfstatat(child.get(), "", &st, AT_EMPTY_PATH), "stat", path));
      TRY(put({child.get(), st, path}, dir, name, fresh, depth + 1));
    }
    return ok();
  }

  // Lets `make` make the entry under a name of ours and moves it to its place when it is complete; whatever fails, no
  // part of it stays.
  template <class Make>
  Result<> whole(int dir, const std::string& name, bool fresh, unsigned how, Make make) {
    const std::string as = fresh ? name : cat(".convox-cp-", fs::random_hex(8));
    Result<> made = make(as);
    if (fresh) return made;
    if (made) {
      long moved = sys::renameat2(dir, as.c_str(), dir, name.c_str(), how);
      if (moved == -EINVAL && how) moved = sys::renameat2(dir, as.c_str(), dir, name.c_str(), 0);  // not on every one
      if (moved < 0) made = os_error("rename", name, Errno(moved));
    }
    if (!made) (void)fs::remove_tree(dir, as);
    return made;
  }

  Result<> make_file(const Entry& entry, int dir, const std::string& as) {
    const UniqueFd in = TRY(reopen(entry.fd, entry.path));
    constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    const UniqueFd out(TRY(check(sys::openat(dir, as.c_str(), flags, 0600), "create", entry.path)));
    TRY(copy_data(in.get(), out.get(), static_cast<std::uint64_t>(entry.st.st_size), wishes_.go_on, entry.path));
    return set_attributes(entry, out.get());
  }

  Result<> make_link(const Entry& entry, int dir, const std::string& as) {
    char target[4097] = {};
    TRY(check(sys::readlinkat(entry.fd, "", target, sizeof target - 1), "readlink", entry.path));
    TRY(check(sys::symlinkat(target, dir, as.c_str()), "symlink", entry.path));
    return set_attributes_of_new(entry, dir, as);
  }

  Result<> make_fifo(const Entry& entry, int dir, const std::string& as) {
    TRY(check(sys::mknodat(dir, as.c_str(), S_IFIFO | (entry.st.st_mode & 0777), 0), "mkfifo", entry.path));
    return set_attributes_of_new(entry, dir, as);
  }

  Result<> set_attributes_of_new(const Entry& entry, int dir, const std::string& as) {
    const UniqueFd made(TRY(check(sys::openat(dir, as.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC), "open", entry.path)));
    return set_attributes(entry, made.get());
  }

  // By descriptor: under the name may be something else by now. The owner first, for a change of it clears set-user-id
  // bits; the times last.  chown(2)
  Result<> set_attributes(const Entry& entry, int made) {
    if (wishes_.archive) {
      const std::uint32_t uid = TRY(to_.host_id(from_.own_id(entry.st.st_uid)), entry.path);
      const std::uint32_t gid = TRY(to_.host_id(from_.own_id(entry.st.st_gid)), entry.path);
      TRY(check(sys::fchownat(made, "", uid, gid, AT_EMPTY_PATH), "chown", entry.path));
    }
    if (S_ISREG(entry.st.st_mode) || S_ISDIR(entry.st.st_mode)) {
      const unsigned mode = entry.st.st_mode & (wishes_.archive ? kArchiveModes : kModes);
      TRY(check(sys::fchmod(made, mode), "chmod", entry.path));
    }
    const timespec times[2] = {entry.st.st_atim, entry.st.st_mtim};
    TRY(check(sys::utimensat(made, "", times, AT_EMPTY_PATH), "utimensat", entry.path));
    return ok();
  }

  Result<> leave_out(const Entry& entry) {
    if (left_out.count++ < kMostNamed) left_out.first.push_back(entry.path);
    return ok();
  }

  const Side& from_;
  const Side& to_;
  const CopyWishes& wishes_;
};

}  // namespace

Result<LeftOut> copy_tree(const Side& from, const Source& source, const Side& to, const Target& target,
                          const std::string& name, const CopyWishes& wishes) {
  const fs::PlainModes modes;
  TreeCopy copy(from, to, wishes);
  TRY(copy.copy(source, target, name));
  return std::move(copy.left_out);
}

}  // namespace convox::runtime
