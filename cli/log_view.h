// How is a line of a log written?
//
//   2026-01-15T14:30:00Z service/web/62942430327e text           what a process wrote
//   2026-01-15T14:30:00Z system/convox/web exited with status 3  what happened to it
//   {"time":"2026-01-15T14:30:00.000000012Z","app":"shop","service":"web","process":"62942430327e",
//    "stream":"output","text":"..."}                             with --json; "error" and "system" are the other
//    streams
//
// Text goes out byte for byte, unless a terminal reads it (T3): then it may colour, and do nothing else. In JSON, where
// only Unicode can be said, what is not UTF-8 is replaced in "text" and stands as it was in a member more, "base64".
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/log_output.h"
#include "runtime/log_reader.h"

namespace convox::cli {

// What a terminal may be shown of a line: printable characters and tabs, and SGR sequences (colours), which end with
// the line. Other escape sequences go with what they enclose: they could retitle the window, write to the clipboard,
// or move the cursor over lines that are true.
std::string safe_for_terminal(std::string_view line);

class LogView {
 public:
  struct Style {
    bool json = false;
    bool nanoseconds = false;  // in the times of lines that are not JSON
    bool terminal = false;     // a terminal reads them
  };
  LogView(Style style, LogOutput& output) : style_(style), output_(output) {}

  Result<> write(const runtime::Origin& origin, const runtime::Lines& lines);

 private:
  void begin(const runtime::Origin& origin, const runtime::Lines& lines);

  Style style_;
  LogOutput& output_;
  std::string prefix_;  // of the lines at hand; made anew only where one of these changes
  const runtime::Origin* origin_ = nullptr;
  runtime::LogStream stream_ = runtime::LogStream::kOutput;
  std::int64_t time_ = -1;
};

}  // namespace convox::cli
