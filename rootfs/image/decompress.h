// How does a compressed layer become a tar stream? A pure stage: bytes in, bytes out, no file, no name, no network.
// In-process libraries only; a decompressor found through PATH was root on the host (CVE-2026-41567).
#pragma once
#include <memory>
#include <string_view>

#include "rootfs/image/stream.h"

namespace convox::rootfs {

enum class Compression { kNone, kGzip, kZstd };

// What the first bytes of a file say (at least 4 where the file has them).
Compression detect(std::string_view head);

// A stream of the plain bytes of `from`. It ends only where the compressed stream is complete and nothing follows it,
// and it fails once more than 1 GiB has come out of less than a thousandth of that: no file of use compresses so well.
std::unique_ptr<Stream> decompress(Stream& from, Compression compression);

// The stages themselves, for tests; `from` is cut into pieces of at most `piece` bytes.
std::unique_ptr<Stream> gunzip_isal(Stream& from, std::size_t piece = kChunk);
std::unique_ptr<Stream> gunzip_zlib(Stream& from, std::size_t piece = kChunk);
std::unique_ptr<Stream> unzstd(Stream& from, std::size_t piece = kChunk);

}  // namespace convox::rootfs
