// Which lines did a process write?
//
// Records hold what one read(2) gave; a line is what stands between two newlines of one stream. Standard output and
// standard error are split independently of each other. Where one record holds many whole lines, they stay together: a
// view, in which they are separated by newlines, so that nothing is copied or allocated for a line.
//
// A line has the time of the record in which it began. It ends at a newline, at kLongestLine, where its process ended,
// or where something is missing. The half of a line that stands where reading begins is left out: its beginning is not
// there any more, or was before the time that was asked for.
//
// Read next: log_reader.h.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/log_records.h"

namespace convox::runtime {

inline constexpr std::size_t kLongestLine = 64 * 1024;

enum class LogStream : std::uint8_t { kOutput, kError, kSystem };

// At least one.
struct Lines {
  std::int64_t time = 0;
  LogStream stream = LogStream::kOutput;
  std::string_view text;  // with a newline between two of them, none behind the last; until the next call
};

// "exited with status 3", "killed by signal 9", "was killed: out of memory (limit 16 MB)", ...
std::string describe(const log::Exit& exit);

class LogLines {
 public:
  explicit LogLines(LogRecords records) : records_(std::move(records)) {}

  // False: nothing more for now.
  Result<bool> next(Lines& lines);
  // What there is of a line that did not end, when nothing more will come. False: nothing.
  bool rest_of(Lines& lines);

  // The last record said that the process had ended.
  [[nodiscard]] bool ended() const { return ended_; }
  LogRecords& records() { return records_; }

 private:
  struct Stream {
    std::string begun;  // a line without its end
    std::int64_t time = 0;
    bool fresh = true;         // nothing of it was seen yet
    std::size_t left_out = 0;  // bytes of half a line
    bool leaving_out = false;
  };
  bool split(Lines& lines);
  void take(const LogRecord& record);

  LogRecords records_;
  std::array<Stream, 2> streams_;  // by LogStream
  std::string_view bytes_;         // of the record, not yet split
  LogStream stream_ = LogStream::kOutput;
  std::int64_t time_ = 0;  // of the record
  bool cut_ = false;       // lines that have begun end here
  std::string system_;     // a line of ours, not yet given out
  std::string given_;      // what a view points to
  bool ended_ = false;
};

}  // namespace convox::runtime
