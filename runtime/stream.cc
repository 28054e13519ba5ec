#include "runtime/stream.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <iterator>

#include "runtime/base/cat.h"
#include "runtime/terminal.h"

namespace convox::runtime {
namespace {

// A pipe holds 64 KiB unless somebody made it larger, up to a megabyte; one read here takes as much as it has.  pipe(7)
constexpr int kLastReads = 64;

// A write of this size to a pipe that poll calls writable does not block: pipe(7), "PIPE_BUF".
constexpr std::size_t kSafeWrite = 4096;
constexpr std::size_t kBufferSize = 65536;  // as much as a pipe holds

// To open the master of a pseudo-terminal again would make another pseudo-terminal.  pts(4)
bool is_master(int fd) {
  int number = 0;
  return sys::ioctl(fd, TIOCGPTN, &number) == 0;
}

bool ready(int fd, short events) {
  pollfd asked{fd, events, 0};
  timespec now{};
  return sys::ppoll(&asked, 1, &now) == 1;
}

}  // namespace

// What is neither pipe, terminal nor socket (a file, /dev/null) makes nobody wait.
StreamEnd StreamEnd::of_user(int fd, int access) {
  StreamEnd end(fd);
  struct stat st {};
  if (sys::newfstatat(fd, "", &st, AT_EMPTY_PATH) < 0) return end;
  if (S_ISSOCK(st.st_mode)) end.way_ = Way::kSocket;
  if (!S_ISFIFO(st.st_mode) && !is_terminal(fd)) return end;
  // O_NOCTTY: a terminal that is nobody's must not become ours. Refused where /proc is not mounted, where the pipe is
  // another user's (EACCES), for a pipe without a reader (ENXIO) and a terminal that was hung up (EIO): then the shared
  // description is asked before each use, which is right unless somebody else comes in between. It is also the one to
  // poll: a FIFO's reader that came after the last writer left is never told of the end (POLLHUP).
  constexpr int kOwn = O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  if (!is_master(fd)) end.own_ = UniqueFd(sys::openat(AT_FDCWD, cat("/proc/self/fd/", fd).c_str(), access | kOwn));
  if (!end.own_) end.way_ = Way::kAskFirst;
  return end;
}

long StreamEnd::read(void* into, std::size_t size) const {
  if (way_ == Way::kSocket) {
    iovec part{into, size};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    return sys::recvmsg(fd_, &message, MSG_DONTWAIT);
  }
  if (way_ == Way::kAskFirst && !ready(fd_, POLLIN)) return -EAGAIN;
  return sys::read(own_ ? own_.get() : fd_, into, size);
}

long StreamEnd::write(const void* bytes, std::size_t size) const {
  if (way_ == Way::kSocket) {
    iovec part{const_cast<void*>(bytes), size};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    return sys::sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  if (way_ == Way::kAskFirst) {
    if (!ready(fd_, POLLOUT)) return -EAGAIN;
    size = std::min(size, kSafeWrite);
  }
  return sys::write(own_ ? own_.get() : fd_, bytes, size);
}

void offer(int fd, std::string_view text, std::chrono::seconds patience) {
  const StreamEnd end = StreamEnd::of_user(fd, O_WRONLY);
  while (!text.empty()) {
    pollfd room{fd, POLLOUT, 0};
    timespec limit{patience.count(), 0};
    if (sys::ppoll(&room, 1, &limit) != 1) return;
    const long put = end.write(text.data(), text.size());
    if (put < 0 && put != -EAGAIN) return;
    text.remove_prefix(static_cast<std::size_t>(std::max(put, 0L)));
  }
}

pollfd Stream::waits() const {
  if (!open_) return {-1, 0, 0};
  return holds() ? pollfd{to_.fd(), POLLOUT, 0} : pollfd{from_.fd(), POLLIN, 0};
}

void Stream::move() {
  if (holds() || (open_ && read())) write();
}

void Stream::finish() {
  if (holds()) write();
  while (open_ && !holds()) {
    if (last_reads_++ < kLastReads && read())
      write();
    else
      close();
  }
}

void Stream::close() {
  open_ = false;
  begin_ = end_ = 0;
  if (closes_) closes_->reset();
  from_ = StreamEnd();
  to_ = StreamEnd();
}

// False: the source has nothing now, or has ended.
bool Stream::read() {
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(kBufferSize);
  const long got = from_.read(buffer_.get(), kBufferSize);
  if (got == -EAGAIN || got == -EINTR) return false;
  if (got <= 0) {
    end(got);
    return false;
  }
  begin_ = 0;
  end_ = static_cast<std::size_t>(got);
  return true;
}

void Stream::write() {
  const long put = to_.write(buffer_.get() + begin_, end_ - begin_);
  if (put == -EAGAIN || put == -EINTR) return;
  if (put < 0) {
    refused_ = true;
    return end(put);
  }
  begin_ += static_cast<std::size_t>(put);
}

// That somebody went away, or that a directory or a descriptor of the wrong kind cannot be read, is an end like any
// other. Of another error the user must hear: half of an output looks like the whole of it.
void Stream::end(long result) {
  const Errno ends[] = {Errno(-EPIPE), Errno(-EIO), Errno(-ECONNRESET), Errno(-EISDIR), Errno(-EBADF)};
  const Errno error(result);
  if (std::find(std::begin(ends), std::end(ends), error) == std::end(ends)) error_ = error;
  close();
}

}  // namespace convox::runtime
