// What does an archive say? libarchive parses the tar formats (ustar, pax, GNU); nothing here touches a file system.
//
// Numbers and strings come out checked: an owner that the container's 65,536 ids cannot hold, a size below zero or a
// path past PATH_MAX is an error, never wrapped or cut. Names are the archive's own bytes; what they mean is
// layer_name.h's.
#pragma once
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rootfs/image/stream.h"
#include "rootfs/image/xattr.h"

struct archive;
struct archive_entry;

namespace convox::rootfs {

// Who owns a file and what may be done with it.
struct Attributes {
  unsigned mode = 0755;  // permission bits, set-id and sticky bits
  unsigned uid = 0, gid = 0;
  timespec modified{};
  std::vector<Xattr> xattrs;
};

struct Entry {
  enum class Type { kFile, kDirectory, kSymlink, kHardLink, kFifo, kDevice, kWhiteoutDevice };
  Type type = Type::kFile;
  std::string name;
  std::string target;  // of a link
  std::uint64_t size = 0;
  Attributes attributes;
};

struct Piece {
  std::string_view bytes;
  std::uint64_t offset = 0;  // pieces ascend; what lies between them is a hole
};

class TarReader {
 public:
  static Result<std::unique_ptr<TarReader>> open(Stream& from);
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;
  ~TarReader();

  // The next entry; false at the end of the archive.
  Result<bool> next(Entry& entry);
  // The next piece of the current entry's content; false at its end. Valid until the next call.
  Result<bool> next(Piece& piece);
  // Where the entry just read, or the end of the archive, begins in the stream.
  [[nodiscard]] std::uint64_t position() const;

 private:
  explicit TarReader(Stream& from);
  static long on_read(archive*, void* self, const void** buffer);
  Result<> check(int code);
  Result<> fill(Entry& entry, archive_entry* header);

  Stream& from_;
  archive* archive_;
  std::unique_ptr<char[]> buffer_;
  Result<> source_ = ok();  // what the stream below said when it failed
};

}  // namespace convox::rootfs
