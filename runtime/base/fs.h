// How are files opened, read, written and removed without ever trusting a path?
//
// Two resolvers (openat2(2)): `open_beneath` for our own directories, where a symbolic link, a mount point or `..` is
// an attack; `open_in_root` for trees that somebody else filled, where links are allowed but the kernel treats the root
// as
// "/" during the whole walk. A path that was "cleaned" or "joined" first is a race: the link can be swapped in between.
// Everything else in the code works on descriptors that came from here.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::fs {

// A path that starts nowhere in particular: for absolute paths that root alone can write (/proc, /sys, argv of the
// caller). Never for a path below an image, a volume or a user's directory. O_CLOEXEC is added.
Result<UniqueFd> open(const std::string& path, int flags, unsigned mode = 0);

// Below `dir`, which is ours: no links, no `..`, no other file system, no magic links. O_CLOEXEC is added.
Result<UniqueFd> open_beneath(int dir, const std::string& path, int flags, unsigned mode = 0);

// Opens `path` as a process whose root is `root` would see it. Links are followed inside `root`; /proc's magic links
// are not. O_CLOEXEC is added. ENOSYS (a seccomp filter around us may hide openat2) falls back to a
// component-by-component walk with O_PATH|O_NOFOLLOW that keeps the same rule.
Result<UniqueFd> open_in_root(int root, const std::string& path, int flags, unsigned mode = 0);

// Opens (and makes, 0700) a directory of ours by absolute path and checks it: a directory, owned by root or by us, not
// writable by anyone else (CVE-2021-41103: world-traversable stores).
Result<UniqueFd> open_private_directory(const std::string& path);

// While it lives, files and directories get the modes that are asked for: convox's own umask is 077.  umask(2)
class PlainModes {
 public:
  PlainModes() : before_(static_cast<unsigned>(sys::umask(0))) {}
  ~PlainModes() { sys::umask(before_); }
  PlainModes(const PlainModes&) = delete;
  PlainModes& operator=(const PlainModes&) = delete;

 private:
  unsigned before_;
};

// Makes `name` below `dir` if it is not there and opens it. `name` is one component.
Result<UniqueFd> make_and_open_directory(int dir, const std::string& name, unsigned mode);

// The whole file, at most `limit` bytes (more is an error: kInvalid). Only regular files, and files of /proc and /sys.
Result<std::string> read(int dir, const std::string& path, std::size_t limit);
Result<std::string> read_all(int fd, std::string_view what, std::size_t limit);
// One read(2), at most 8 KiB (more is an error): small files of /proc, /sys and cgroups give all they have in one.
// Three system calls where `read` needs five.
Result<std::string> read_once(int dir, const std::string& path);

// Writes all of it, however many write(2) that takes.
Result<> write_all(int fd, std::string_view bytes, std::string_view what);
// One write(2): files of /proc, /sys and cgroups take each write as one whole request.
Result<> write_once(int dir, const std::string& path, std::string_view value);

enum class Durable { kNo, kYes };
// Replaces `name` in `dir` as a whole: a temporary file, fsync where durable, rename, fsync of the directory. After a
// crash there is the old content or the new one. The temporary file is `.tmp-` and 16 random hex digits.
Result<> replace(int dir, const std::string& name, std::string_view content, unsigned mode, Durable durable);

// Names in a directory, without `.` and `..`, sorted by bytes.
Result<std::vector<std::string>> list(int dir);

// Removes `name` below `dir` with everything in it, depth first by descriptors, never over a mount point, never through
// a link. A name that is not there is success: the undo of a launch may run twice.
Result<> remove_tree(int dir, const std::string& name);

// `bytes` random bytes as lowercase hex digits, from getrandom(2).
std::string random_hex(std::size_t bytes);

// Is this usable as one path component: not empty, not `.` or `..`, no `/`, no NUL, at most 255 bytes?
bool is_component(std::string_view name);

// Is `fd` on a file system whose files are made up by the kernel (proc, sysfs, cgroup, ...)? `path` is for the error.
Result<bool> is_of_the_kernel(int fd, const std::string& path);

}  // namespace convox::fs
