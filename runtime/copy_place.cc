#include "runtime/copy_place.h"

#include <fcntl.h>

#include "runtime/base/fs.h"
#include "runtime/host_ids.h"

namespace convox::runtime {
namespace {

constexpr int kLinks = 40;  // the kernel's own limit on symbolic links in one walk: path_resolution(7)

struct Split {
  std::string parent, name;
};

// At the last slash; the path does not end in one.
Split split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == path.npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

Result<struct stat> status(int entry, const std::string& path) {
  struct stat st {};
  TRY(check(sys::newfstatat(entry, "", &st, AT_EMPTY_PATH), "stat", path));
  return st;
}

Result<std::string> link_target(int link, const std::string& path) {
  char target[4096];
  const auto size = TRY(check(sys::readlinkat(link, "", target, sizeof target), "readlink", path));
  if (size == sizeof target) return os_error("readlink", path, Errno(-ENAMETOOLONG));
  return std::string(target, static_cast<std::size_t>(size));
}

}  // namespace

Result<UniqueFd> Side::open(const std::string& path, int flags) const {
  return inside() ? fs::open_in_root(root, path, flags) : fs::open(path, flags);
}

std::uint32_t Side::own_id(std::uint32_t id) const {
  const bool of_container = shifted && id >= first_id && id - first_id < kIdsEach;
  return of_container ? id - first_id : id;  // others are nobody's inside, and stat(2) says so: 65534
}

Result<std::uint32_t> Side::host_id(std::uint32_t own) const {
  if (!shifted) return own;
  if (own >= kIdsEach) return invalid(cat("id ", own, " has no place in the container's user namespace"));
  return first_id + own;
}

Result<Source> find_source(const Side& side, const std::string& path, bool follow) {
  const std::string plain = without_slashes(path);
  const std::string name = split(plain).name;
  Source source;
  source.contents = name.empty() || name == "." || name == "..";
  const bool as_directory = source.contents || path.ends_with('/');
  const int flags = O_PATH | (as_directory ? O_DIRECTORY : 0) | (follow || as_directory ? 0 : O_NOFOLLOW);
  source.entry = TRY(side.open(path, flags));
  source.name = name;
  const struct stat st = TRY(status(source.entry.get(), path));
  source.directory = S_ISDIR(st.st_mode);
  return source;
}

Result<Target> find_target(const Side& side, const std::string& path, const Source& source) {
  auto directory = side.open(path, O_PATH | O_DIRECTORY);
  if (directory) return Target{std::move(*directory), source.contents ? "" : source.name};
  if (directory.error().code != ENOENT && directory.error().code != ENOTDIR) return std::move(directory).error();
  const bool as_directory = path.ends_with('/') || path.ends_with("/.");
  std::string at = without_slashes(path.ends_with("/.") ? path.substr(0, path.size() - 1) : path);
  for (int followed = 0; followed <= kLinks; ++followed) {
    const Split where = split(without_slashes(at));
    UniqueFd parent = TRY(side.open(where.parent, O_PATH | O_DIRECTORY));
    if (!fs::is_component(where.name)) return invalid(cat(path, ": no such directory"));
    const long found = sys::openat(parent.get(), where.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (found == -ENOENT && as_directory && !source.directory) return invalid(cat(path, ": no such directory"));
    if (found == -ENOENT) return Target{std::move(parent), where.name};
    const UniqueFd there(TRY(check(found, "open", path)));
    const struct stat st = TRY(status(there.get(), path));
    if (!S_ISLNK(st.st_mode)) {
      if (source.directory || as_directory) return invalid(cat(path, " is not a directory"));
      return Target{std::move(parent), where.name};
    }
    // On the host the kernel follows nobody else's link in a directory like /tmp, where anybody may make one
    // (fs.protected_symlinks); what reads the link itself has to keep that rule itself.  proc_sys_fs(5)
    const struct stat above = TRY(status(parent.get(), path));
    const bool anybodys = (above.st_mode & S_ISVTX) && (above.st_mode & S_IWOTH);
    if (!side.inside() && anybodys && st.st_uid != 0 && st.st_uid != above.st_uid)  // convox runs as root
      return os_error("follow a link of somebody else's", path, Errno(-EACCES));
    at = TRY(link_target(there.get(), path));
    if (!at.starts_with('/')) at = cat(where.parent, "/", at);
  }
  return os_error("open", path, Errno(-ELOOP));
}

}  // namespace convox::runtime
