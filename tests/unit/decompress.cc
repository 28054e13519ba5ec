// A decompressor gives back what was compressed however its input is cut, and nothing but that.
#include "rootfs/image/decompress.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>

using namespace convox;
using namespace convox::rootfs;

namespace {

class Bytes final : public Stream {
 public:
  explicit Bytes(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<std::size_t> read(char* into, std::size_t size) override {
    const std::size_t some = std::min(size, bytes_.size() - at_);
    std::copy_n(bytes_.data() + at_, some, into);
    at_ += some;
    return some;
  }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

std::string gzip(const std::string& plain) {
  std::string packed(plain.size() + 1000, '\0');
  z_stream state{};
  deflateInit2(&state, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  state.avail_in = static_cast<uInt>(plain.size());
  state.next_out = reinterpret_cast<Bytef*>(packed.data());
  state.avail_out = static_cast<uInt>(packed.size());
  cr_assert(deflate(&state, Z_FINISH) == Z_STREAM_END);
  packed.resize(state.total_out);
  deflateEnd(&state);
  return packed;
}

std::string zstd(const std::string& plain) {
  std::string packed(ZSTD_compressBound(plain.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), 1));
  return packed;
}

struct Codec {
  const char* name;
  std::string (*pack)(const std::string&);
  std::unique_ptr<Stream> (*unpack)(Stream&, std::size_t);
};
const Codec kCodecs[] = {{"isa-l", gzip, gunzip_isal}, {"zlib", gzip, gunzip_zlib}, {"zstd", zstd, unzstd}};

std::string sample() {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += std::to_string(i * 7919 % 1000);
  return text;
}

Result<std::string> unpacked(const Codec& codec, const std::string& packed, std::size_t piece) {
  Bytes bytes(packed);
  const auto stream = codec.unpack(bytes, piece);
  return read_all(*stream, 1UL << 30, codec.name);
}

}  // namespace

Test(decompress, gives_back_what_was_packed_however_it_is_cut) {
  const std::string plain = sample();
  for (const Codec& codec : kCodecs) {
    const std::string two = codec.pack(plain) + codec.pack("second member") + codec.pack("");
    for (const std::size_t piece : {1UL, 7UL, 4096UL, kChunk}) {
      const auto whole = unpacked(codec, two, piece);
      cr_expect(whole && *whole == plain + "second member", "%s in pieces of %zu: %s", codec.name, piece,
                whole ? "other bytes" : whole.error().text.c_str());
    }
  }
}

Test(decompress, refuses_what_is_cut_off_changed_or_followed_by_something) {
  for (const Codec& codec : kCodecs) {
    const std::string packed = codec.pack(sample());
    for (const std::size_t size : {0UL, 1UL, 5UL, 17UL, packed.size() / 2, packed.size() - 1})
      cr_expect(not unpacked(codec, packed.substr(0, size), 4096).has_value(), "%s cut at %zu", codec.name, size);
    cr_expect(not unpacked(codec, packed + "garbage that is no header", 4096).has_value(), "%s: garbage", codec.name);
    if (codec.pack == zstd) continue;  // zstd's own checksum is an option that was not taken
    std::string changed = packed;
    changed[changed.size() - 6] = static_cast<char>(changed[changed.size() - 6] ^ 1);
    cr_expect(not unpacked(codec, changed, 4096).has_value(), "%s: wrong checksum", codec.name);
  }
}

Test(decompress, tells_formats_by_their_first_bytes) {
  cr_expect(detect(gzip("x")) == Compression::kGzip);
  cr_expect(detect(zstd("x")) == Compression::kZstd);
  cr_expect(detect("\x5e\x2a\x4d\x18") == Compression::kZstd, "a skippable frame");
  cr_expect(detect("usr/bin/") == Compression::kNone);
  cr_expect(detect("") == Compression::kNone);
}
