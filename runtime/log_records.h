// What stands in the log of one process, record by record, while its segments come and go?
//
// Reads forward, in large blocks, and gives out views into them. A segment is held open until its end, so its removal
// takes nothing from us; the next one may be gone by the time we get there, and then a record of ours says how much was
// missed. An incomplete record at the end of a file is not one yet: the writer may be about to finish it, or may have
// died in the middle, and whoever writes next cuts it off. So its bytes are forgotten and read again.
//
// Format: keeper/log_format.h. Read next: log_lines.h.
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"
#include "runtime/keeper/log_format.h"

namespace convox::runtime {

struct LogRecord {
  log::Kind kind = log::Kind::kOutput;
  bool continues = false;  // RecordHead::continues
  std::int64_t time = 0;   // never less than that of the record before
  std::string_view bytes;  // until the next call
};

class LogRecords {
 public:
  // Of process `id`, whose directory lies in `logs`, a descriptor that outlives this. Records before `since` are left
  // out.
  LogRecords(int logs, std::string id, std::int64_t since = std::numeric_limits<std::int64_t>::min())
      : logs_(logs), id_(std::move(id)), since_(since) {}

  // The segments that exist now, in order. None if the directory is gone.
  [[nodiscard]] Result<std::vector<std::uint64_t>> segments() const;
  // The first of `list` that can hold anything since then; 0 if the list is empty.
  [[nodiscard]] std::uint64_t first_since(const std::vector<std::uint64_t>& list) const;
  [[nodiscard]] std::string path(std::uint64_t segment) const;  // below `logs`
  // Where to begin. Without it: at first_since().
  void begin_at(std::uint64_t segment) { number_ = segment; }

  // False: nothing more for now.
  Result<bool> next(LogRecord& record);
  // After next() said false: gives memory and descriptor back until the next record is asked for.
  void rest();

 private:
  Result<bool> begin();
  Result<bool> open(std::uint64_t segment);
  [[nodiscard]] Result<bool> removed() const;
  Result<bool> go_on();
  Result<bool> read_more();
  bool take(LogRecord& record);

  int logs_;
  std::string id_;
  std::int64_t since_;

  UniqueFd segment_;           // none: not begun, or at rest
  std::uint64_t number_ = 0;   // of it
  std::uint64_t written_ = 0;  // its SegmentHead::written
  bool begun_ = false;         // `written_` is known
  bool complete_ = false;      // nobody appends to it any more
  bool damaged_ = false;       // nothing more of it can be read

  std::vector<char> buffer_;
  std::uint64_t at_ = 0;             // where in the file it begins
  std::size_t begin_ = 0, end_ = 0;  // what of it is not yet given out
  bool grow_ = true;                 // the last read filled it

  std::int64_t last_ = 0;  // time of the last record
  std::string loss_;       // not yet told
  std::string told_;
};

}  // namespace convox::runtime
