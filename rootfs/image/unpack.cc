#include "rootfs/image/unpack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>

#include "rootfs/image/layer_name.h"
#include "rootfs/image/tar_reader.h"
#include "rootfs/image/tree.h"
#include "runtime/base/fs.h"

namespace convox::rootfs {
namespace {

constexpr std::uint64_t kEntries = 2'000'000;
constexpr std::uint64_t kBytes = 64UL << 30;
constexpr std::uint64_t kCheckEvery = 64UL << 20;
constexpr std::uint64_t kEntryCost = 4096;      // an entry without content takes room too: an inode, a name
constexpr std::uint64_t kKeepFree = 1UL << 30;  // or a twentieth of a small file system
constexpr unsigned kLinks = 65'000;             // EXT4_LINK_MAX

class Unpacker {
 public:
  Unpacker(int root, const Lower& lower, Budget& budget, const Warn& warn)
      : lower_(lower), budget_(budget), warn_(warn), tree_(root, lower) {}

  Result<std::uint64_t> run(Stream& tar);

 private:
  Result<> place(const Entry& entry, TarReader& reader);
  Result<> file(const std::string& path, const Entry& entry, TarReader& reader);
  Result<> hard_link(const std::string& path, const std::string& target);
  Result<> symlink(const std::string& path, const Entry& entry);
  Result<> fifo(const std::string& path, const Entry& entry);
  Result<> copy_up(const std::string& path);
  Result<> mark_what_is_gone();
  Result<bool> is_hidden(std::string_view path, const std::set<std::string>& hidden);

  // Makes something that must not exist yet: tries, and clears the name if it is taken.
  template <class Make>
  Result<long> make(int dir, const std::string& path, const char* call, Make&& deed);

  const Lower& lower_;
  Budget& budget_;
  const Warn& warn_;
  Tree tree_;
  std::set<std::string> whiteouts_,
      opaque_;  // by path; they act on the layers below only, whatever their place in the archive
  std::uint64_t size_ = 0;
  std::size_t devices_ = 0;
  std::string first_device_;
};

template <class Make>
Result<long> Unpacker::make(int dir, const std::string& path, const char* call, Make&& deed) {
  const std::string name(last_of(path));
  long made = deed(name.c_str());
  if (made == -EEXIST) {
    TRY(tree_.clear(dir, path));
    made = deed(name.c_str());
  }
  return check(made, call, "");
}

Result<std::uint64_t> Unpacker::run(Stream& tar) {
  const auto reader = TRY(TarReader::open(tar));
  Entry entry;
  while (TRY(reader->next(entry))) {
    TRY(budget_.entry(entry.size), entry.name);
    TRY(place(entry, *reader), entry.name);
  }
  TRY(mark_what_is_gone());
  TRY(tree_.finish());
  // The container's /dev is ours, and its root is mounted nodev.
  if (devices_ > 0)
    warn_(cat("left out ", devices_, devices_ == 1 ? " device node: " : " device nodes, the first: ", first_device_));
  return size_;
}

Result<> Unpacker::place(const Entry& entry, TarReader& reader) {
  LayerName name = TRY(parse_layer_name(entry.name));
  switch (name.kind) {
    case LayerName::Kind::kIgnored:
      return ok();
    case LayerName::Kind::kWhiteout:
      whiteouts_.insert(std::move(name.path));
      return ok();
    case LayerName::Kind::kOpaque:
      opaque_.insert(std::move(name.path));
      return ok();
    case LayerName::Kind::kRoot:
      if (entry.type != Entry::Type::kDirectory) return invalid("the root of a layer can only be a directory");
      return tree_.describe("", entry.attributes);
    case LayerName::Kind::kPath:
      break;
  }
  switch (entry.type) {
    case Entry::Type::kFile:
      return file(name.path, entry, reader);
    case Entry::Type::kDirectory:
      return tree_.describe(name.path, entry.attributes);
    case Entry::Type::kSymlink:
      return symlink(name.path, entry);
    case Entry::Type::kHardLink:
      return hard_link(name.path, entry.target);
    case Entry::Type::kFifo:
      return fifo(name.path, entry);
    case Entry::Type::kDevice:
      if (devices_++ == 0) first_device_ = entry.name;
      return ok();
    case Entry::Type::kWhiteoutDevice:
      break;
  }
  return invalid("a character device 0:0 would hide a file of the layers below");
}

Result<> Unpacker::file(const std::string& path, const Entry& entry, TarReader& reader) {
  const int dir = TRY(tree_.directory(parent_of(path)));
  const UniqueFd out(TRY(make(dir, path, "open", [&](const char* name) {
    return sys::openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, entry.attributes.mode);
  })));
  Piece piece;
  std::uint64_t end = 0;
  while (TRY(reader.next(piece))) {
    if (piece.offset < end || piece.offset + piece.bytes.size() > entry.size) return invalid("its pieces overlap");
    if (piece.offset > end) TRY(check(sys::lseek(out.get(), static_cast<long>(piece.offset), SEEK_SET), "lseek", ""));
    TRY(fs::write_all(out.get(), piece.bytes, ""));
    TRY(budget_.written(piece.bytes.size()));
    end = piece.offset + piece.bytes.size();
  }
  if (end < entry.size) TRY(check(sys::ftruncate(out.get(), static_cast<long>(entry.size)), "ftruncate", ""));
  size_ += entry.size;
  return apply(out.get(), entry.attributes, true);
}

Result<> Unpacker::symlink(const std::string& path, const Entry& entry) {
  const int dir = TRY(tree_.directory(parent_of(path)));
  TRY(make(dir, path, "symlink", [&](const char* name) { return sys::symlinkat(entry.target.c_str(), dir, name); }));
  // By name, because a link cannot be opened; it is ours, just made, and nobody else is here.
  const std::string name(last_of(path));
  const Attributes& wanted = entry.attributes;
  if (wanted.uid != 0 || wanted.gid != 0)
    TRY(check(sys::fchownat(dir, name.c_str(), wanted.uid, wanted.gid, AT_SYMLINK_NOFOLLOW), "chown", ""));
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, wanted.modified};
  TRY(check(sys::utimensat(dir, name.c_str(), times, AT_SYMLINK_NOFOLLOW), "utimensat", ""));
  return ok();
}

Result<> Unpacker::fifo(const std::string& path, const Entry& entry) {
  const int dir = TRY(tree_.directory(parent_of(path)));
  TRY(make(dir, path, "mknod", [&](const char* name) { return sys::mknodat(dir, name, S_IFIFO | 0600, 0); }));
  // Both ends at once, so that the open cannot block.  fifo(7)
  const UniqueFd made(TRY(check(
      sys::openat(dir, std::string(last_of(path)).c_str(), O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC), "open", "")));
  Attributes wanted = entry.attributes;
  wanted.xattrs.clear();  // user.* is for files and directories only: xattr(7)
  return apply(made.get(), wanted, false);
}

Result<> Unpacker::hard_link(const std::string& path, const std::string& raw_target) {
  const LayerName target = TRY(parse_layer_name(raw_target), "a hard link to ", raw_target);
  if (target.kind != LayerName::Kind::kPath) return invalid(cat("a hard link to ", raw_target, ": not a file"));
  auto there = TRY(tree_.status(target.path));
  if (!there) {
    TRY(copy_up(target.path), "a hard link to ", raw_target);
    there = TRY(tree_.status(target.path));
  }
  if (!there || !S_ISREG(there->st_mode)) return invalid(cat("a hard link to ", raw_target, ": not a regular file"));
  if (there->st_nlink >= kLinks) return invalid(cat("a hard link to ", raw_target, ": more than ", kLinks, " links"));
  if (path == target.path) return ok();
  const UniqueFd from = TRY(tree_.existing(parent_of(target.path)));
  const int dir = TRY(tree_.directory(parent_of(path)));
  TRY(make(dir, path, "link",
           [&](const char* name) {
             return sys::linkat(from.get(), std::string(last_of(target.path)).c_str(), dir, name, 0);
           }),
      "a hard link to ", raw_target);
  return ok();
}

// A layer may link to a file of the layers below. overlayfs would copy such a file into this layer before it links, and
// so do we: no inode is ever shared between layers.
Result<> Unpacker::copy_up(const std::string& path) {
  const auto below = TRY(lower_.find(path));
  if (!below) return invalid("no such file in the image");
  if (!S_ISREG(below->status.st_mode)) return invalid("not a regular file");
  const auto size = static_cast<std::uint64_t>(below->status.st_size);
  TRY(budget_.entry(size));
  const Attributes attributes = TRY(attributes_of(below->fd.get()));
  const int dir = TRY(tree_.directory(parent_of(path)));
  const UniqueFd out(TRY(make(dir, path, "open", [&](const char* name) {
    return sys::openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, attributes.mode);
  })));
  WindowStream content({below->fd.get(), 0, size}, path);
  const auto buffer = std::make_unique<char[]>(kChunk);
  for (std::size_t got = 0; (got = TRY(content.read(buffer.get(), kChunk))) > 0;) {
    TRY(fs::write_all(out.get(), {buffer.get(), got}, ""));
    TRY(budget_.written(got));
  }
  size_ += size;
  return apply(out.get(), attributes, true);
}

// Does this layer already hide what the layers below have at `path`: by a mark on a directory above it, or by something
// that is no directory where one would have to be?
Result<bool> Unpacker::is_hidden(std::string_view path, const std::set<std::string>& hidden) {
  for (path = parent_of(path); !path.empty(); path = parent_of(path)) {
    if (hidden.contains(std::string(path))) return true;
    if (const auto here = TRY(tree_.status(path)); here && !S_ISDIR(here->st_mode)) return true;
  }
  return false;
}

// Whiteouts and opaque directories, once all entries are in place, since they may stand anywhere in the archive and
// never act on their own layer. A name both present and gone is new: present wins, and a directory shows nothing of the
// one below. Nothing is marked that the layers below do not have; below an opaque directory a whiteout would show up in
// listings.
Result<> Unpacker::mark_what_is_gone() {
  if (opaque_.contains("")) {  // overlayfs reads no such mark on the root of a layer: each name by itself
    opaque_.erase("");
    for (std::string& name : TRY(lower_.names_in_root())) whiteouts_.insert(std::move(name));
  }
  std::set<std::string> all = whiteouts_;
  all.insert(opaque_.begin(), opaque_.end());
  std::set<std::string> hidden;          // what hides all that is below it in the layers below
  for (const std::string& path : all) {  // sorted, so a directory comes before what is below it
    if (TRY(is_hidden(path, hidden))) continue;
    const auto here = TRY(tree_.status(path));
    const auto below = TRY(lower_.find(path));
    if (!below || (here && !S_ISDIR(here->st_mode))) continue;  // nothing to hide, or hidden by what is here
    if (here || (opaque_.contains(path) && S_ISDIR(below->status.st_mode))) {
      const int dir = TRY(tree_.directory(path));
      TRY(check(sys::fsetxattr(dir, "trusted.overlay.opaque", "y", 1, 0), "fsetxattr", path));
    } else if (whiteouts_.contains(path)) {
      const int dir = TRY(tree_.directory(parent_of(path)));
      TRY(check(sys::mknodat(dir, std::string(last_of(path)).c_str(), S_IFCHR, 0), "mknod", path));
    } else {
      continue;
    }
    hidden.insert(path);
  }
  return ok();
}

}  // namespace

Result<> Budget::entry(std::uint64_t size) {
  if (++entries_ > kEntries) return invalid(cat("the image has more than ", kEntries, " entries"));
  if (size > kBytes - bytes_) return invalid(cat("the image unpacks to more than ", kBytes >> 30, " GiB"));
  bytes_ += size;
  return written(kEntryCost);
}

Result<> Budget::written(std::uint64_t bytes) {
  unchecked_ += bytes;
  if (unchecked_ < kCheckEvery) return ok();
  unchecked_ = 0;
  struct statfs room {};
  TRY(check(sys::fstatfs(store_, &room), "statfs", "the store"));
  const auto block = static_cast<std::uint64_t>(room.f_bsize);
  const std::uint64_t free = room.f_bavail * block;
  if (free < std::min(kKeepFree, room.f_blocks * block / 20))
    return invalid(cat("the store's file system is nearly full: ", free >> 20, " MiB are left"));
  return ok();
}

Result<std::uint64_t> unpack(Stream& tar, int root, const Lower& lower, Budget& budget, const Warn& warn) {
  return Unpacker(root, lower, budget, warn).run(tar);
}

}  // namespace convox::rootfs
