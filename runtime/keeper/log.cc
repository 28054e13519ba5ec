#include "runtime/keeper/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <time.h>

#include <string_view>

namespace convox::keeper {
namespace {

using log::Kind;
using log::RecordHead;
using log::SegmentHead;

struct Name {
  char text[16] = {};
  explicit Name(std::uint32_t number) noexcept {
    char* at = text;
    for (std::uint32_t unit = 10'000'000; unit > 0; unit /= 10) *at++ = static_cast<char>('0' + number / unit % 10);
    for (const char c : std::string_view(".log")) *at++ = c;
  }
};

// What is written is whole or it is an error: less than all of it means that the disk is full.
Errno whole(long put, std::size_t size) noexcept {
  if (put < 0) return Errno(put);
  return put == static_cast<long>(size) ? Errno() : Errno(-ENOSPC);
}

bool is_output(Kind kind) noexcept { return kind == Kind::kOutput || kind == Kind::kError; }

bool no_space(Errno error) noexcept { return error == Errno(-ENOSPC) || error == Errno(-EDQUOT); }

}  // namespace

Log::Log(const Keep& plan) noexcept
    : directory_(plan.logs),
      segment_(plan.segment),
      number_(plan.number),
      oldest_(plan.oldest),
      most_segments_(plan.most_segments),
      used_(plan.used),
      segment_size_(plan.segment_size),
      written_(plan.written),
      last_(plan.last) {}

std::int64_t Log::now() noexcept {
  timespec time{};
  sys::clock_gettime(CLOCK_REALTIME, &time);
  const std::int64_t now = std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  return last_ = now > last_ ? now : last_;
}

void Log::record(Kind kind, const void* bytes, std::size_t size) noexcept {
  const bool room = used_ < segment_size_ || used_ == sizeof(SegmentHead) || done([this] { return begin_next(); });
  const bool kept = room && done([&] { return put(kind, bytes, size); });
  if (!is_output(kind) || size == 0) return;
  if (!kept) dropped_ += size;
  in_line_[kind == Kind::kError] = static_cast<const char*>(bytes)[size - 1] != '\n';
}

// On a full disk the oldest output makes room for the newest, a segment at a time.
template <class Deed>
bool Log::done(Deed deed) noexcept {
  for (;;) {
    const Errno error = deed();
    if (!error) return true;
    if (!no_space(error) || !remove_oldest()) return false;
  }
}

// Written at its place, so that what a full disk left of the record before is written over. What was dropped is said in
// the same write as what follows it: by itself that small record would find room where no output does, again and again.
Errno Log::put(Kind kind, const void* bytes, std::size_t size) noexcept {
  const std::int64_t time = now();
  RecordHead lost{.size = sizeof dropped_, .kind = Kind::kDropped, .time = time};
  RecordHead head{.size = static_cast<std::uint32_t>(size), .kind = kind, .time = time};
  head.continues = is_output(kind) && in_line_[kind == Kind::kError];
  const iovec parts[4] = {
      {&lost, sizeof lost}, {&dropped_, sizeof dropped_}, {&head, sizeof head}, {const_cast<void*>(bytes), size}};
  const bool all = dropped_ > 0 && kind != Kind::kContinued;
  const std::size_t total = sizeof head + size + (all ? sizeof lost + sizeof dropped_ : 0);
  long put = 0;
  do put = sys::pwritev(segment_, all ? parts : parts + 2, all ? 4 : 2, static_cast<long>(used_));
  while (put == -EINTR);
  if (const Errno error = whole(put, total); error) {
    if (put > 0) sys::ftruncate(segment_, static_cast<long>(used_));  // a reader never sees a torn record for long
    return error;
  }
  if (all) dropped_ = 0;
  used_ += total;
  return {};
}

// The next segment is there before the word that it goes on there: whoever follows finds it, and whoever writes after
// our death can finish this (runtime/log_store.cc). A directory that somebody removed is an ENOENT here, and then what
// would be written is dropped: a file without a name would only eat the disk.
Errno Log::begin_next() noexcept {
  const Name name(number_ + 1);
  const long next = sys::openat(directory_, name.text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (next < 0) return Errno(next);
  const int file = static_cast<int>(next);
  const std::uint64_t written = written_ + used_ - sizeof(SegmentHead) + sizeof(RecordHead);  // with the record below
  const SegmentHead head{.number = number_ + 1, .written = written};
  Errno error = whole(sys::pwrite(file, &head, sizeof head, 0), sizeof head);
  if (!error) error = put(Kind::kContinued, nullptr, 0);
  if (error) {
    sys::unlinkat(directory_, name.text, 0);
    sys::close(file);
    return error;
  }
  sys::close(segment_);
  segment_ = file;
  ++number_;
  used_ = sizeof head;
  written_ = written;
  while (number_ - oldest_ >= most_segments_ && remove_oldest()) {
  }
  return {};
}

// False if there is only the one that is written to. One that is gone already counts as removed.
bool Log::remove_oldest() noexcept {
  if (oldest_ >= number_) return false;
  sys::unlinkat(directory_, Name(oldest_).text, 0);
  ++oldest_;
  return true;
}

}  // namespace convox::keeper
