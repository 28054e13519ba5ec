#include "runtime/copy_data.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "runtime/base/fs.h"

namespace convox::runtime {
namespace {

constexpr std::uint64_t kAtOnce = 8 << 20;
constexpr std::size_t kBuffer = 256 << 10;
constexpr std::uint64_t kToTheEnd = std::numeric_limits<std::int64_t>::max();

// Between two files of one file system the kernel copies by itself, or shares the blocks. These say that it cannot, and
// 0 that there is nothing more, or that a file of /proc claims to be empty.  copy_file_range(2)
bool is_refusal(long copied) {
  return copied == 0 || copied == -EXDEV || copied == -EINVAL || copied == -EOPNOTSUPP || copied == -ENOSYS;
}

class DataCopy {
 public:
  DataCopy(int from, int to, const std::function<Result<>()>& go_on, const std::string& what)
      : from_(from), to_(to), go_on_(go_on), what_(what) {}

  // From and to both files' own positions. How many bytes came: fewer than `wanted` at the end of the file.
  Result<std::uint64_t> copy(std::uint64_t wanted) {
    std::uint64_t done = 0;
    while (done < wanted) {
      TRY(go_on_());
      const auto part = static_cast<std::size_t>(std::min(wanted - done, kAtOnce));
      const std::uint64_t copied = TRY(copy_part(part));
      if (copied == 0) break;
      done += copied;
    }
    return done;
  }

 private:
  Result<std::uint64_t> copy_part(std::size_t size) {
    if (by_kernel_) {
      const long copied = sys::copy_file_range(from_, to_, size);
      if (copied > 0) return static_cast<std::uint64_t>(copied);
      if (!is_refusal(copied)) return os_error("copy_file_range", what_, Errno(copied));
      by_kernel_ = false;
    }
    if (!buffer_) buffer_ = std::make_unique<char[]>(kBuffer);
    long got = 0;
    do got = sys::read(from_, buffer_.get(), std::min(size, kBuffer));
    while (got == -EINTR);
    TRY(check(got, "read", what_));
    TRY(fs::write_all(to_, {buffer_.get(), static_cast<std::size_t>(got)}, what_));
    return static_cast<std::uint64_t>(got);
  }

  int from_, to_;
  const std::function<Result<>()>& go_on_;
  const std::string& what_;
  bool by_kernel_ = true;
  std::unique_ptr<char[]> buffer_;
};

}  // namespace

Result<> copy_data(int from, int to, std::uint64_t size, const std::function<Result<>()>& go_on,
                   const std::string& what) {
  DataCopy data(from, to, go_on, what);
  if (size == 0) {
    if (TRY(fs::is_of_the_kernel(from, what))) TRY(data.copy(kToTheEnd));
    return ok();
  }
  std::uint64_t end = size;
  for (std::uint64_t at = 0; at < size;) {
    const long found = sys::lseek(from, static_cast<long>(at), SEEK_DATA);
    if (found == -ENXIO) break;  // a hole up to the end
    // Where the question is unknown everything is data.
    const std::uint64_t begin = found < 0 ? at : static_cast<std::uint64_t>(found);
    const long hole = sys::lseek(from, static_cast<long>(begin), SEEK_HOLE);
    const std::uint64_t stop = hole < 0 ? size : std::min(size, static_cast<std::uint64_t>(hole));
    if (begin >= size) break;  // it has grown
    TRY(check(sys::lseek(from, static_cast<long>(begin), SEEK_SET), "lseek", what));
    TRY(check(sys::lseek(to, static_cast<long>(begin), SEEK_SET), "lseek", what));
    const std::uint64_t copied = TRY(data.copy(stop - begin));
    at = stop;
    if (copied == stop - begin) continue;
    end = begin + copied;  // it was cut meanwhile, or said more than it had, as files of /sys do
    break;
  }
  TRY(check(sys::ftruncate(to, static_cast<long>(end)), "ftruncate", what));
  return ok();
}

}  // namespace convox::runtime
