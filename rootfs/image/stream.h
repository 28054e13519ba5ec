// How do an image's bytes flow?
//
// As a chain of streams, each pulled by the next: file -> decompressor -> hash -> tar reader. A stage sees only bytes
// and its neighbour, no path and no descriptor of anybody else, so the chain can be cut at any point and the pieces run
// as processes joined by pipes. Read next: decompress.h, digest.h, tar_reader.h.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::rootfs {

// One read asks for at most this much: it fits the second-level cache, so the next stage finds the bytes there.
constexpr std::size_t kChunk = 256UL * 1024;

class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;
  // Between 1 and `size` bytes; 0 only at the end.
  virtual Result<std::size_t> read(char* into, std::size_t size) = 0;
};

// A part of a regular file, such as a member of an uncompressed archive. Does not own the descriptor.
struct Window {
  int fd = -1;
  std::uint64_t offset = 0, size = 0;
};

class WindowStream final : public Stream {
 public:
  WindowStream(Window window, std::string name) : window_(window), name_(std::move(name)) {}
  // A file that ends before its window does is an error; so is a signal that asked us to stop (see interrupt.h).
  Result<std::size_t> read(char* into, std::size_t size) override;
  [[nodiscard]] std::uint64_t consumed() const { return at_; }

 private:
  Window window_;
  std::string name_;
  std::uint64_t at_ = 0;
};

// All of a stream that must be small: a JSON document.
Result<std::string> read_all(Stream& from, std::size_t limit, std::string_view what);
// Reads to the end and throws away: what follows the end mark of an archive is hashed too.
Result<> drain(Stream& from);

}  // namespace convox::rootfs
