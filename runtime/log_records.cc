#include "runtime/log_records.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "runtime/base/fs.h"

namespace convox::runtime {
namespace {

// A quiet process costs little, a busy one few system calls. The largest holds any record, whatever is left of the
// block before it.
constexpr std::size_t kSmallestBlock = 8 << 10, kLargestBlock = 256 << 10;
static_assert(kLargestBlock > 2 * (log::kLargestRecord + sizeof(log::RecordHead)));

constexpr std::string_view kEnd = ".log";

// "00000012.log" is 12; 0: not a segment's name.
std::uint64_t number_of(std::string_view name) {
  std::uint64_t number = 0;
  const char* end = name.data() + name.size();
  const auto [behind, error] = std::from_chars(name.data(), end, number);
  return error == std::errc() && std::string_view(behind, end) == kEnd ? number : 0;
}

// False: the file ends before it.
template <class Head>
Result<bool> read_head(int file, std::uint64_t at, Head& head) {
  return TRY(check(sys::pread(file, &head, sizeof head, static_cast<long>(at)), "read", "a log")) == sizeof head;
}

bool is_sound(const log::SegmentHead& head) {
  return head.magic == log::kSegmentMagic && head.version == log::SegmentHead{}.version;
}

bool is_sound(const log::RecordHead& head) { return head.mark == log::kRecordMark && head.size <= log::kLargestRecord; }

}  // namespace

std::string LogRecords::path(std::uint64_t segment) const {
  const std::string digits = cat(segment);
  return cat(id_, "/", std::string(digits.size() < 8 ? 8 - digits.size() : 0, '0'), digits, kEnd);
}

Result<std::vector<std::uint64_t>> LogRecords::segments() const {
  std::vector<std::uint64_t> numbers;
  const auto directory = fs::open_beneath(logs_, id_, O_RDONLY | O_DIRECTORY);
  if (!directory && (directory.error().code == ENOENT || directory.error().code == ENOTDIR)) return numbers;
  if (!directory) return directory.error();
  for (const std::string& name : TRY(fs::list(directory->get()), "the log of ", id_))
    if (const std::uint64_t number = number_of(name)) numbers.push_back(number);
  std::ranges::sort(numbers);
  return numbers;
}

std::uint64_t LogRecords::first_since(const std::vector<std::uint64_t>& list) const {
  if (list.empty()) return 0;
  for (auto segment = list.rbegin(); segment != list.rend() && since_ > 0; ++segment) {
    const auto file = fs::open_beneath(logs_, path(*segment), O_RDONLY);
    log::RecordHead first;
    if (!file) break;  // from the beginning, then: whoever reads it learns why
    const auto begun = read_head(file->get(), sizeof(log::SegmentHead), first);
    if (begun && *begun && is_sound(first) && first.time < since_) return *segment;
  }
  return list.front();
}

// Opens a segment at its first record; false if it is not there, or not begun yet.
Result<bool> LogRecords::open(std::uint64_t segment) {
  auto file = fs::open_beneath(logs_, path(segment), O_RDONLY);
  if (!file && file.error().code == ENOENT) return false;
  if (!file) return std::move(file).error();
  log::SegmentHead head;
  if (!TRY(read_head(file->get(), 0, head), path(segment))) return false;
  const std::uint64_t read = written_ + at_ + begin_ - sizeof head;
  if (!is_sound(head))
    loss_ = cat("segment ", segment, " of the log is damaged and left out");
  else if (begun_ && head.written > read)
    loss_ = cat(head.written - read, " bytes missed: the log was rotated before they were read");
  segment_ = std::move(*file);
  number_ = segment;
  written_ = head.written;
  damaged_ = !is_sound(head);
  begun_ = !damaged_;
  complete_ = false;
  at_ = sizeof head;
  begin_ = end_ = 0;
  return true;
}

// Was our segment removed? Then it is complete, and newer ones exist.
Result<bool> LogRecords::removed() const {
  struct stat st {};
  TRY(check(sys::newfstatat(segment_.get(), "", &st, AT_EMPTY_PATH), "stat", path(number_)));
  return st.st_nlink == 0;
}

// To the segment after this one, or the first after it that is still there.
Result<bool> LogRecords::go_on() {
  if (TRY(open(number_ + 1))) return true;
  for (const std::uint64_t segment : TRY(segments()))
    if (segment > number_ && TRY(open(segment))) return true;
  return false;
}

// False at the end of the file.
Result<bool> LogRecords::read_more() {
  if (damaged_) return false;
  if (begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  at_ += begin_;
  end_ -= begin_;
  begin_ = 0;
  if (grow_) buffer_.resize(std::clamp(2 * buffer_.size(), kSmallestBlock, kLargestBlock));
  const std::size_t room = buffer_.size() - end_;
  const long got = TRY(check(sys::pread(segment_.get(), buffer_.data() + end_, room, static_cast<long>(at_ + end_)),
                             "read", path(number_)));
  grow_ = static_cast<std::size_t>(got) == room;
  end_ = got == 0 ? 0 : end_ + static_cast<std::size_t>(got);
  return got > 0;
}

// The next one in the buffer. False if it is not all there, or is none.
bool LogRecords::take(LogRecord& record) {
  log::RecordHead head;
  if (end_ - begin_ < sizeof head) return false;
  std::memcpy(&head, buffer_.data() + begin_, sizeof head);
  if (!is_sound(head)) {
    loss_ = cat("segment ", number_, " of the log is damaged, its rest is left out");
    damaged_ = true;
    begun_ = false;
    begin_ = end_ = 0;
    return false;
  }
  if (end_ - begin_ < sizeof head + head.size) return false;
  last_ = std::max(last_, head.time);
  record = {.kind = head.kind,
            .continues = head.continues != 0,
            .time = last_,
            .bytes = {buffer_.data() + begin_ + sizeof head, head.size}};
  begin_ += sizeof head + head.size;
  return true;
}

// To where we rest in a segment, or to the first one, or behind what is gone by now.
Result<bool> LogRecords::begin() {
  if (number_ == 0) number_ = first_since(TRY(segments()));
  if (number_ == 0) return false;
  const std::uint64_t before = number_, at = at_;
  const bool again = begun_;
  if (!TRY(open(number_)) && !TRY(go_on())) return false;
  if (again && number_ == before) at_ = at;
  return true;
}

Result<bool> LogRecords::next(LogRecord& record) {
  for (;;) {
    if (!loss_.empty()) {
      told_ = std::exchange(loss_, {});
      record = {.kind = log::Kind::kSystem, .continues = false, .time = last_, .bytes = told_};
      return true;
    }
    if (take(record)) {
      if (record.kind == log::Kind::kContinued)
        complete_ = true;
      else if (record.time >= since_)
        return true;
    } else if (!segment_) {
      if (!TRY(begin())) return false;
    } else if (loss_.empty() && !TRY(read_more())) {
      if (!complete_ && !damaged_) {
        complete_ = TRY(removed());  // what came before that, and since we read, is read before we go on
        if (!complete_) return false;
      } else if (!TRY(go_on())) {
        return false;
      }
    }
  }
}

void LogRecords::rest() {
  segment_.reset();
  buffer_ = {};
  grow_ = true;
}

}  // namespace convox::runtime
