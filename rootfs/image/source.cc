#include "rootfs/image/source.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <vector>

#include "rootfs/image/decompress.h"
#include "rootfs/image/layer_name.h"
#include "rootfs/image/tar_reader.h"
#include "runtime/base/fs.h"

namespace convox::rootfs {
namespace {

constexpr std::size_t kMembers = 100'000;
constexpr std::uint64_t kPlain = 64UL << 30;  // of a compressed archive

Result<Window> window_of(int fd, std::string_view name) {
  struct stat status {};
  TRY(check(sys::newfstatat(fd, "", &status, AT_EMPTY_PATH), "stat", name));
  if (!S_ISREG(status.st_mode)) return invalid(cat(name, ": not a regular file"));
  return Window{fd, 0, static_cast<std::uint64_t>(status.st_size)};
}

class DirectorySource final : public Source {
 public:
  explicit DirectorySource(UniqueFd dir) : dir_(std::move(dir)) {}

  Result<Window> find(const std::string& name) override {
    auto file = fs::open_beneath(dir_.get(), name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    if (!file && file.error().code == ENOENT) return not_found(cat(name, ": no such file in the image"));
    if (!file) return file.error();
    files_.push_back(*std::move(file));
    return window_of(files_.back().get(), name);
  }

 private:
  UniqueFd dir_;
  std::vector<UniqueFd> files_;
};

class ArchiveSource final : public Source {
 public:
  explicit ArchiveSource(UniqueFd file) : file_(std::move(file)) {}

  // Reads the archive once to learn where each member lies: a member's content ends, padded to blocks of 512, where the
  // next header begins, and begins its size before that.
  Result<> index(Window whole, const std::string& path) {
    WindowStream bytes(whole, path);
    const auto reader = TRY(TarReader::open(bytes), path);
    Entry entry;
    std::optional<Entry> last;
    for (bool more = true; more;) {
      more = TRY(reader->next(entry), path);
      if (last) TRY(add(*last, reader->position()), path);
      last = entry;
    }
    return ok();
  }

  Result<Window> find(const std::string& name) override {
    const auto member = members_.find(name);
    if (member == members_.end()) return not_found(cat(name, ": no such file in the archive"));
    if (member->second.fd < 0) return invalid(cat(name, ": not a regular file in the archive"));
    return member->second;
  }

 private:
  Result<> add(const Entry& entry, std::uint64_t end) {
    const LayerName name = TRY(parse_layer_name(entry.name));
    if (name.kind != LayerName::Kind::kPath || entry.type == Entry::Type::kDirectory) return ok();
    const std::uint64_t padded = (entry.size + 511) / 512 * 512;
    if (padded > end) return invalid(cat(name.path, ": larger than the archive"));
    const bool regular = entry.type == Entry::Type::kFile;
    if (!members_.emplace(name.path, Window{regular ? file_.get() : -1, end - padded, entry.size}).second)
      return invalid(cat(name.path, ": twice in the archive"));
    if (members_.size() > kMembers) return invalid(cat("more than ", kMembers, " files"));
    return ok();
  }

  UniqueFd file_;
  std::map<std::string, Window> members_;
};

Result<UniqueFd> unpacked_copy(Window whole, Compression compression, const std::string& path, int scratch) {
  UniqueFd copy(
      TRY(check(sys::openat(scratch, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), "open", "a temporary file")));
  WindowStream packed(whole, path);
  const auto plain = decompress(packed, compression);
  const auto buffer = std::make_unique<char[]>(kChunk);
  std::uint64_t total = 0;
  for (std::size_t got = 0; (got = TRY(plain->read(buffer.get(), kChunk), path)) > 0;) {
    if ((total += got) > kPlain) return invalid(cat(path, ": unpacks to more than ", kPlain >> 30, " GiB"));
    TRY(fs::write_all(copy.get(), {buffer.get(), got}, "a temporary file"));
  }
  return copy;
}

}  // namespace

Result<UniqueFd> open_regular(const std::string& path, Window& whole) {
  UniqueFd file = TRY(fs::open(path, O_RDONLY | O_NONBLOCK));
  whole = TRY(window_of(file.get(), path));
  return file;
}

Result<std::unique_ptr<Source>> open_directory_source(const std::string& path) {
  return std::unique_ptr<Source>(std::make_unique<DirectorySource>(TRY(fs::open(path, O_RDONLY | O_DIRECTORY))));
}

Result<std::unique_ptr<Source>> open_archive_source(const std::string& path, int scratch) {
  Window whole;
  UniqueFd file = TRY(open_regular(path, whole));
  char head[4];
  const long got = sys::pread(file.get(), head, sizeof head, 0);
  TRY(check(got, "read", path));
  if (const auto how = detect({head, static_cast<std::size_t>(got)}); how != Compression::kNone) {
    file = TRY(unpacked_copy(whole, how, path, scratch));
    whole = TRY(window_of(file.get(), path));
  }
  whole.fd = file.get();
  auto source = std::make_unique<ArchiveSource>(std::move(file));
  TRY(source->index(whole, path));
  return std::unique_ptr<Source>(std::move(source));
}

}  // namespace convox::rootfs
