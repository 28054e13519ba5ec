// Where are the logs of detached containers, who wrote which, and how does a writer go on?
//
//   ROOT/apps/<app>/logs/<id>/process.json    Origin
//                             NNNNNNNN.log    keeper/log_format.h
//
// Logs outlive the record of their container: they go when an app has more of them than its cap, oldest finished ones
// first. Read next: log_reader.h.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"
#include "runtime/keeper/log_format.h"

namespace convox::runtime {

// Whose output it is. Written once, before the first segment.
struct Origin {
  std::string id, app, service, release;
  std::vector<std::string> command;
  std::int64_t started = 0;  // seconds since 1970, of the first start
};

std::string print(const Origin& origin);
Result<Origin> parse_origin(std::string_view text);

// ROOT/apps/<app>/logs/<id>, made (0700) with its process.json where missing.
Result<UniqueFd> make_log_directory(const std::string& root, const Origin& origin);
// The same, not made. ENOENT if there is none.
Result<UniqueFd> open_log_directory(const std::string& root, const std::string& app, const std::string& id);

// The newest segment, ready for more: begun if there was none; what a crash had torn at its end is cut off. For whoever
// holds the container's claim, while no keeper writes.
struct LogTail {
  UniqueFd segment = {};      // O_WRONLY, at its end
  std::uint32_t number = 1;   // of it
  std::uint32_t oldest = 1;   // of those that exist
  std::uint64_t used = 0;     // bytes in it
  std::uint64_t written = 0;  // SegmentHead::written of it
  std::int64_t last = 0;      // time of its last record
};
Result<LogTail> open_log_tail(int directory);

// Appends one record, at the time of now.
Result<> append(LogTail& tail, log::Kind kind, std::string_view bytes);

// A line of ours in the log of a container that nobody holds, or that we do. What cannot be written is left out: the
// log may be the very thing that is broken.
void note_in_log(const std::string& root, const std::string& app, const std::string& id, std::string_view line);

// Removes the oldest logs of `app` whose container does not live until those that are left of such have at most
// `most_bytes`. `lives` is asked after they were listed: so one that is just being started keeps its log. How many.
Result<std::size_t> sweep_logs(const std::string& root, const std::string& app,
                               const std::function<bool(const std::string& id)>& lives, std::uint64_t most_bytes);

}  // namespace convox::runtime
