// How do bytes get from the user to the container and back, without ever waiting for one of them alone?
//
// The user's descriptors 0, 1 and 2 are shared with other programs, so they never become non-blocking. But a blocking
// read or write may wait for ever even after poll(2) called it ready: another program takes what was there, or a
// terminal is stopped by Ctrl-S. So a pipe or terminal is opened a second time, which makes a description of our own;
// a socket is told with every call.  open(2), "Open file descriptions"
#pragma once
#include <poll.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string_view>

#include "runtime/base/unique_fd.h"

namespace convox::runtime {

// One end of a Stream. Reads and writes give a count or -errno; -EAGAIN: not now.
class StreamEnd {
 public:
  StreamEnd() = default;
  // The container's: non-blocking already, and outlives this.
  explicit StreamEnd(int fd) : fd_(fd) {}
  // One of 0, 1, 2, to be read (O_RDONLY) or written (O_WRONLY).
  static StreamEnd of_user(int fd, int access);

  [[nodiscard]] int fd() const { return fd_; }  // to poll
  long read(void* into, std::size_t size) const;
  long write(const void* bytes, std::size_t size) const;

 private:
  enum class Way { kPlain, kSocket, kAskFirst };
  int fd_ = -1;
  Way way_ = Way::kPlain;
  UniqueFd own_;  // a second description of the same pipe or terminal
};

// A last line for the user, who may have stopped the terminal: given up when nobody has taken it for that long.
void offer(int fd, std::string_view text, std::chrono::seconds patience);

// One direction. Reads only when what it read before is written, so a slow reader slows the writer, and nothing is ever
// dropped.
class Stream {
 public:
  Stream() = default;
  // `closed_at_end` is the container's end: its reader shall know that nobody writes, and its writer that nobody reads.
  Stream(StreamEnd from, StreamEnd to, UniqueFd* closed_at_end = nullptr)
      : from_(std::move(from)), to_(std::move(to)), closes_(closed_at_end), open_(from_.fd() >= 0) {}

  [[nodiscard]] bool open() const { return open_; }
  // It ended because what it read could not be written.
  [[nodiscard]] bool refused() const { return refused_; }
  // Why it ended early, if not because somebody went away.
  [[nodiscard]] Errno error() const { return error_; }
  [[nodiscard]] pollfd waits() const;

  void move();  // after poll said that `waits()` is ready
  // After the source's end, which leaves nothing that could not be read at once: to find nothing is then the end.
  // Somebody else may hold the pipe and write for ever, so what it held is read, and no more.
  void finish();
  void close();

 private:
  [[nodiscard]] bool holds() const { return begin_ < end_; }
  bool read();
  void write();
  void end(long result);

  StreamEnd from_, to_;
  UniqueFd* closes_ = nullptr;
  bool open_ = false, refused_ = false;
  Errno error_;
  // Made by the first read, so that a command that says nothing costs no memory, and not cleared.
  std::unique_ptr<char[]> buffer_;
  int last_reads_ = 0;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace convox::runtime
