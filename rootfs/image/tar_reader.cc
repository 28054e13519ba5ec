#include "rootfs/image/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

namespace convox::rootfs {
namespace {

constexpr std::int64_t kIds = 65536;            // a container has so many, from 0 (hardening rule I12)
constexpr std::size_t kPath = 4095;             // PATH_MAX without its NUL
constexpr std::size_t kXattrBytes = 64 * 1024;  // of one entry (I11)
constexpr int kSegments = 1'000'000;            // of one sparse file (I11)

Result<unsigned> id(std::int64_t value, const char* what) {
  if (value < 0 || value >= kIds) return invalid(cat(what, " ", value, " is not below ", kIds));
  return static_cast<unsigned>(value);
}

Result<std::string> path(const char* text, const char* what) {
  if (!text || !*text) return invalid(cat(what, " is empty"));
  std::string value(text);
  if (value.size() > kPath) return invalid(cat(what, " is longer than ", kPath, " bytes"));
  return value;
}

Result<Entry::Type> type_of(archive_entry* header) {
  if (archive_entry_hardlink(header)) return Entry::Type::kHardLink;
  switch (archive_entry_filetype(header)) {
    case AE_IFREG:
      return Entry::Type::kFile;
    case AE_IFDIR:
      return Entry::Type::kDirectory;
    case AE_IFLNK:
      return Entry::Type::kSymlink;
    case AE_IFIFO:
      return Entry::Type::kFifo;
    case AE_IFCHR:
      return archive_entry_rdevmajor(header) == 0 && archive_entry_rdevminor(header) == 0 ? Entry::Type::kWhiteoutDevice
                                                                                          : Entry::Type::kDevice;
    case AE_IFBLK:
      return Entry::Type::kDevice;
    default:
      return invalid("it is of a kind that a file system does not have");
  }
}

Result<std::vector<Xattr>> xattrs_of(archive_entry* header) {
  std::vector<Xattr> kept;
  std::size_t bytes = 0;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  archive_entry_xattr_reset(header);
  while (archive_entry_xattr_next(header, &name, &value, &size) == ARCHIVE_OK) {
    bytes += std::string_view(name).size() + size;
    if (bytes > kXattrBytes) return invalid(cat("more than ", kXattrBytes, " bytes of extended attributes"));
    auto xattr = TRY(admit({name, {static_cast<const char*>(value), size}}));
    if (xattr) kept.push_back(*std::move(xattr));
  }
  return kept;
}

}  // namespace

TarReader::TarReader(Stream& from)
    : from_(from), archive_(archive_read_new()), buffer_(std::make_unique<char[]>(kChunk)) {}

TarReader::~TarReader() { archive_read_free(archive_); }

long TarReader::on_read(archive*, void* self, const void** buffer) {
  auto& reader = *static_cast<TarReader*>(self);
  auto got = reader.from_.read(reader.buffer_.get(), kChunk);
  *buffer = reader.buffer_.get();
  if (got) return static_cast<long>(*got);
  reader.source_ = std::move(got).error();
  archive_set_error(reader.archive_, EIO, "the stream below failed");
  return ARCHIVE_FATAL;
}

Result<std::unique_ptr<TarReader>> TarReader::open(Stream& from) {
  std::unique_ptr<TarReader> reader(new TarReader(from));
  // One format, no filters: the decompressor is ours, and a tar inside another format is not an image.
  archive_read_support_format_tar(reader->archive_);
  TRY(reader->check(archive_read_open2(reader->archive_, reader.get(), nullptr, on_read, nullptr, nullptr)));
  return reader;
}

std::uint64_t TarReader::position() const { return static_cast<std::uint64_t>(archive_read_header_position(archive_)); }

Result<> TarReader::check(int code) {
  if (!source_) return source_.error();
  if (code == ARCHIVE_OK || code == ARCHIVE_EOF) return ok();
  // A pax name is UTF-8, which libarchive wants to convert into the locale's characters. In the C locale, where we
  // stay, it cannot, says so, and leaves the bytes as they are: just what we want. In a UTF-8 locale it would convert,
  // and normalise the name (NFC) so that two files become one.
  if (code == ARCHIVE_WARN && archive_errno(archive_) == EILSEQ) return ok();
  const char* text = archive_error_string(archive_);
  return invalid(cat("not a sound tar archive: ", text ? text : "unknown error"));
}

Result<bool> TarReader::next(Entry& entry) {
  archive_entry* header = nullptr;
  const int code = archive_read_next_header(archive_, &header);
  TRY(check(code));
  if (code == ARCHIVE_EOF) return false;
  entry.name = TRY(path(archive_entry_pathname(header), "an entry's name"));
  TRY(fill(entry, header), entry.name);
  return true;
}

Result<> TarReader::fill(Entry& entry, archive_entry* header) {
  entry.type = TRY(type_of(header));
  entry.target.clear();
  if (entry.type == Entry::Type::kHardLink) entry.target = TRY(path(archive_entry_hardlink(header), "a link's target"));
  if (entry.type == Entry::Type::kSymlink) entry.target = TRY(path(archive_entry_symlink(header), "a link's target"));
  const std::int64_t size = entry.type == Entry::Type::kFile ? archive_entry_size(header) : 0;
  if (size < 0) return invalid("its size is below zero");
  if (archive_entry_sparse_count(header) > kSegments)
    return invalid(cat("more than ", kSegments, " pieces of a sparse file"));
  entry.size = static_cast<std::uint64_t>(size);
  Attributes& attributes = entry.attributes;
  attributes.mode = archive_entry_mode(header) & 07777U;
  attributes.uid = TRY(id(archive_entry_uid(header), "uid"));
  attributes.gid = TRY(id(archive_entry_gid(header), "gid"));
  attributes.modified = {.tv_sec = archive_entry_mtime(header), .tv_nsec = archive_entry_mtime_nsec(header)};
  attributes.xattrs = TRY(xattrs_of(header));
  return ok();
}

Result<bool> TarReader::next(Piece& piece) {
  const void* bytes = nullptr;
  std::size_t size = 0;
  std::int64_t offset = 0;
  const int code = archive_read_data_block(archive_, &bytes, &size, &offset);
  TRY(check(code));
  if (code == ARCHIVE_EOF) return false;
  piece = {{static_cast<const char*>(bytes), size}, static_cast<std::uint64_t>(offset)};
  return true;
}

}  // namespace convox::rootfs
