// Who owns a file descriptor?
#pragma once
#include "runtime/base/sys.h"

namespace convox {

// Owns one descriptor, or none (-1). Move-only; the destructor is one close(2), never retried: Linux frees the number
// even when close says EINTR, and a retry could close what another open got in between.  close(2), "Dealing with
// error returns"
class UniqueFd {
 public:
  UniqueFd() = default;
  // Takes what a wrapper of sys.h returned: a descriptor, or -errno, which owns nothing.
  explicit UniqueFd(long fd) noexcept : fd_(fd < 0 ? -1 : static_cast<int>(fd)) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd = -1) noexcept {
    if (fd_ >= 0) sys::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace convox
