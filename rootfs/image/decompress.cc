#include "rootfs/image/decompress.h"

#if __has_include(<isa-l/igzip_lib.h>)
#include <isa-l/igzip_lib.h>
#define CONVOX_HAS_ISAL 1
#endif
#include <zlib.h>
#include <zstd.h>

#include <cstring>

namespace convox::rootfs {
namespace {

constexpr std::uint64_t kGuardFrom = 1UL << 30;  // hardening rule I11
constexpr std::uint64_t kRatio = 1000;
constexpr int kWindowLog = 27;  // 128 MiB: what a zstd frame may make us keep

// The compressed side: a buffer that is refilled when it is empty, and counts.
class Input {
 public:
  Input(Stream& from, std::size_t piece) : from_(from), size_(piece), buffer_(std::make_unique<char[]>(piece)) {}

  // False at the end of the compressed stream.
  Result<bool> refill() {
    if (left_ > 0) return true;
    left_ = TRY(from_.read(buffer_.get(), size_));
    next_ = buffer_.get();
    total_ += left_;
    return left_ > 0;
  }
  [[nodiscard]] char* next() const { return next_; }
  [[nodiscard]] std::size_t left() const { return left_; }
  void keep(std::size_t left) {
    next_ += left_ - left;
    left_ = left;
  }
  [[nodiscard]] std::uint64_t total() const { return total_; }

 private:
  Stream& from_;
  std::size_t size_;
  std::unique_ptr<char[]> buffer_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
  std::uint64_t total_ = 0;
};

// What all codecs share: the loop, the end of the input, the guard against bombs. A codec turns input into output until
// one of them is used up.
class Decompressing : public Stream {
 public:
  Decompressing(Stream& from, std::size_t piece, const char* name) : input_(from, piece), name_(name) {}

  Result<std::size_t> read(char* into, std::size_t size) final {
    for (;;) {
      const bool more = TRY(input_.refill());
      if (!more && between_) return std::size_t{0};
      // At the end of the input the codec is asked once more: it may still hold output.
      const std::size_t before = input_.left();
      const std::size_t out = TRY(step(into, size));
      if (out == 0 && !between_ && !more) return invalid(cat("the ", name_, " stream ends early"));
      if (out == 0 && !between_ && input_.left() == before) return broken("no progress");
      made_ += out;
      if (made_ > kGuardFrom && made_ / kRatio > input_.total())
        return invalid(cat("the ", name_, " stream unpacks to more than ", kRatio, " times its size"));
      if (out > 0) return out;
    }
  }

 protected:
  virtual Result<std::size_t> step(char* into, std::size_t size) = 0;
  [[nodiscard]] Error broken(std::string_view why) const {
    return invalid(cat("the ", name_, " stream is broken: ", why));
  }

  Input input_;
  bool between_ = false;  // no member (frame) is begun and not ended, at least one has ended

 private:
  const char* name_;
  std::uint64_t made_ = 0;
};

#ifdef CONVOX_HAS_ISAL
class IsalGunzip final : public Decompressing {
 public:
  IsalGunzip(Stream& from, std::size_t piece) : Decompressing(from, piece, "gzip") {
    isal_inflate_init(&state_);
    state_.crc_flag = ISAL_GZIP;
  }

 private:
  Result<std::size_t> step(char* into, std::size_t size) override {
    if (between_) {  // another member follows: gzip(1) calls the result of `cat a.gz b.gz` a gzip file too
      isal_inflate_reset(&state_);
      state_.crc_flag = ISAL_GZIP;
      between_ = false;
    }
    state_.next_in = reinterpret_cast<std::uint8_t*>(input_.next());
    state_.avail_in = static_cast<std::uint32_t>(input_.left());
    state_.next_out = reinterpret_cast<std::uint8_t*>(into);
    state_.avail_out = static_cast<std::uint32_t>(size);
    const int rc = isal_inflate(&state_);
    input_.keep(state_.avail_in);
    if (rc == ISAL_INCORRECT_CHECKSUM) return broken("its checksum is wrong");
    if (rc < 0) return broken(rc == ISAL_INVALID_WRAPPER ? "no gzip header" : "not deflate data");
    between_ = state_.block_state == ISAL_BLOCK_FINISH;
    return size - state_.avail_out;
  }

  inflate_state state_;
};
#endif

class ZlibGunzip final : public Decompressing {
 public:
  ZlibGunzip(Stream& from, std::size_t piece) : Decompressing(from, piece, "gzip") {
    ready_ = inflateInit2(&state_, 16 + MAX_WBITS) == Z_OK;  // 16: a gzip header and trailer, checked
  }
  ~ZlibGunzip() override { inflateEnd(&state_); }

 private:
  Result<std::size_t> step(char* into, std::size_t size) override {
    if (!ready_) return broken("no memory");
    if (between_) {
      inflateReset(&state_);
      between_ = false;
    }
    state_.next_in = reinterpret_cast<Bytef*>(input_.next());
    state_.avail_in = static_cast<uInt>(input_.left());
    state_.next_out = reinterpret_cast<Bytef*>(into);
    state_.avail_out = static_cast<uInt>(size);
    const int rc = inflate(&state_, Z_NO_FLUSH);
    input_.keep(state_.avail_in);
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) return broken(state_.msg ? state_.msg : "not gzip data");
    between_ = rc == Z_STREAM_END;
    return size - state_.avail_out;
  }

  z_stream state_{};
  bool ready_ = false;
};

class Unzstd final : public Decompressing {
 public:
  Unzstd(Stream& from, std::size_t piece) : Decompressing(from, piece, "zstd"), context_(ZSTD_createDCtx()) {
    ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kWindowLog);
  }
  ~Unzstd() override { ZSTD_freeDCtx(context_); }

 private:
  Result<std::size_t> step(char* into, std::size_t size) override {
    ZSTD_inBuffer in{input_.next(), input_.left(), 0};
    ZSTD_outBuffer out{into, size, 0};
    const std::size_t rc = ZSTD_decompressStream(context_, &out, &in);
    input_.keep(in.size - in.pos);
    if (ZSTD_isError(rc)) return broken(ZSTD_getErrorName(rc));
    between_ = rc == 0;  // a frame is complete and all of it has been given out; the next call begins another
    return out.pos;
  }

  ZSTD_DCtx* context_;
};

// No codec at all: the bytes as they are.
class Plain final : public Stream {
 public:
  explicit Plain(Stream& from) : from_(from) {}
  Result<std::size_t> read(char* into, std::size_t size) override { return from_.read(into, size); }

 private:
  Stream& from_;
};

}  // namespace

Compression detect(std::string_view head) {
  auto begins = [&](std::string_view magic) { return head.starts_with(magic); };
  if (begins({"\x1f\x8b", 2})) return Compression::kGzip;
  if (begins({"\x28\xb5\x2f\xfd", 4})) return Compression::kZstd;
  // A skippable frame, 0x184D2A50 to 5F: zstd:chunked and pzstd begin with one.  RFC 8878, 3.1.2
  if (head.size() >= 4 && (head[0] & 0xf0) == 0x50 && head.substr(1, 3) == std::string_view("\x2a\x4d\x18", 3))
    return Compression::kZstd;
  return Compression::kNone;
}

std::unique_ptr<Stream> gunzip_isal([[maybe_unused]] Stream& from, [[maybe_unused]] std::size_t piece) {
#ifdef CONVOX_HAS_ISAL
  return std::make_unique<IsalGunzip>(from, piece);
#else
  return nullptr;
#endif
}
std::unique_ptr<Stream> gunzip_zlib(Stream& from, std::size_t piece) {
  return std::make_unique<ZlibGunzip>(from, piece);
}
std::unique_ptr<Stream> unzstd(Stream& from, std::size_t piece) { return std::make_unique<Unzstd>(from, piece); }

std::unique_ptr<Stream> decompress(Stream& from, Compression compression) {
  switch (compression) {
    case Compression::kGzip:  // ISA-L is twice as fast, and only made for x86-64 and arm64
      if (auto fast = gunzip_isal(from)) return fast;
      return gunzip_zlib(from);
    case Compression::kZstd:
      return unzstd(from);
    case Compression::kNone:
      break;
  }
  return std::make_unique<Plain>(from);
}

}  // namespace convox::rootfs
