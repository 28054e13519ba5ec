// How does the keeper write its log, whatever happens to the disk?
//
// Read log_format.h first. What cannot be written is counted and said later; nothing here ever waits for space, and
// nothing is an error to the caller, for whoever reads the pipe must go on reading it.
#pragma once
#include <cstddef>
#include <cstdint>

#include "runtime/base/sys.h"
#include "runtime/keeper/log_format.h"
#include "runtime/keeper/plan.h"

namespace convox::keeper {

class Log {
 public:
  explicit Log(const Keep& plan) noexcept;
  // One record, stamped with now; in the next segment, if this one is full. `size` is at most log::kLargestRecord.
  void record(log::Kind kind, const void* bytes, std::size_t size) noexcept;
  // Nanoseconds since 1970. Never less than before: a clock that was set back must not change the order of lines.
  std::int64_t now() noexcept;

 private:
  Errno put(log::Kind kind, const void* bytes, std::size_t size) noexcept;
  Errno begin_next() noexcept;
  bool remove_oldest() noexcept;
  template <class Deed>
  bool done(Deed deed) noexcept;

  int directory_, segment_;
  std::uint32_t number_, oldest_, most_segments_;
  std::uint64_t used_, segment_size_, written_;
  std::int64_t last_;
  bool in_line_[2] = {};       // of output and error output: the last byte was no newline
  std::uint64_t dropped_ = 0;  // bytes of output, since the last record of Kind::kDropped
};

}  // namespace convox::keeper
