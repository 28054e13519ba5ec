#include "rootfs/image/stream.h"

#include <algorithm>
#include <cerrno>
#include <memory>

#include "rootfs/image/interrupt.h"
#include "runtime/base/sys.h"

namespace convox::rootfs {

Result<std::size_t> WindowStream::read(char* into, std::size_t size) {
  const std::uint64_t left = window_.size - at_;
  if (left == 0) return std::size_t{0};
  if (interrupted()) return invalid("interrupted");
  for (;;) {
    const long got =
        sys::pread(window_.fd, into, std::min<std::uint64_t>(size, left), static_cast<long>(window_.offset + at_));
    if (got == -EINTR) continue;
    if (got < 0) return os_error("read", name_, Errno(got));
    if (got == 0) return invalid(cat(name_, ": ends early: ", left, " of ", window_.size, " bytes are missing"));
    at_ += static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
  }
}

Result<std::string> read_all(Stream& from, std::size_t limit, std::string_view what) {
  std::string all;
  char buffer[16384];
  for (;;) {
    const std::size_t got = TRY(from.read(buffer, sizeof buffer), what);
    if (got == 0) return all;
    if (all.size() + got > limit) return invalid(cat(what, ": larger than ", limit, " bytes"));
    all.append(buffer, got);
  }
}

Result<> drain(Stream& from) {
  const auto buffer = std::make_unique<char[]>(kChunk);
  while (TRY(from.read(buffer.get(), kChunk)) > 0) {
  }
  return ok();
}

}  // namespace convox::rootfs
