#include "runtime/log_lines.h"

#include <algorithm>
#include <cstring>

namespace convox::runtime {
namespace {

// "16 MB", or the largest unit that says it without a fraction.
std::string size(std::uint64_t bytes) {
  constexpr std::string_view units[] = {" bytes", " KB", " MB", " GB"};
  std::size_t unit = 0;
  for (; unit + 1 < std::size(units) && bytes >= 1024 && bytes % 1024 == 0; ++unit) bytes /= 1024;
  return cat(bytes, units[unit]);
}

// Bytes of a record into a struct; zeros where they are too few.
template <class Value>
Value read_as(std::string_view bytes) {
  Value value{};
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
  return value;
}

}  // namespace

std::string describe(const log::Exit& exit) {
  const std::string memory = exit.oom_at_limit && exit.memory_limit
                                 ? cat("out of memory (limit ", size(exit.memory_limit), ")")
                                 : "out of memory (of the host)";
  if (exit.timed_out) return "was stopped: it ran longer than --timeout";
  if (exit.oom_kills && exit.signal == 9) return cat("was killed: ", memory);
  const std::string end = exit.signal ? cat("killed by signal ", exit.signal) : cat("exited with status ", exit.code);
  return exit.oom_kills ? cat(end, "; ", exit.oom_kills, " of its processes were killed: ", memory) : end;
}

bool LogLines::rest_of(Lines& lines) {
  for (const LogStream stream : {LogStream::kOutput, LogStream::kError}) {
    Stream& of = streams_[static_cast<std::size_t>(stream)];
    if (of.begun.empty()) continue;
    given_.swap(of.begun);
    of.begun.clear();
    lines = {of.time, stream, given_};
    return true;
  }
  return false;
}

// The next lines in `bytes_`. False: it held the end of none.
bool LogLines::split(Lines& lines) {
  Stream& of = streams_[static_cast<std::size_t>(stream_)];
  if (of.leaving_out) {
    const std::size_t end = bytes_.find('\n');
    of.left_out += std::min(end, bytes_.size());
    of.leaving_out = end == bytes_.npos && of.left_out < kLongestLine;
    bytes_.remove_prefix(end == bytes_.npos ? bytes_.size() : end + 1);
    return false;
  }
  if (of.begun.empty()) {
    const std::size_t last = bytes_.rfind('\n');
    if (last == bytes_.npos) {
      of.begun = bytes_;
      of.time = time_;
      bytes_ = {};
      return false;
    }
    lines = {time_, stream_, bytes_.substr(0, last)};
    bytes_.remove_prefix(last + 1);
    return true;
  }
  const std::size_t room = kLongestLine - of.begun.size();
  const std::size_t more = std::min(bytes_.substr(0, room).find('\n'), std::min(bytes_.size(), room));
  of.begun += bytes_.substr(0, more);
  bytes_.remove_prefix(more);
  if (bytes_.empty()) return false;
  if (bytes_[0] == '\n') bytes_.remove_prefix(1);
  given_.swap(of.begun);
  of.begun.clear();
  lines = {of.time, stream_, given_};
  return true;
}

void LogLines::take(const LogRecord& record) {
  time_ = record.time;
  ended_ = record.kind == log::Kind::kEnded;
  cut_ = true;  // by whatever is not output: while a payload runs, its keeper writes nothing else but of bytes dropped
  switch (record.kind) {
    case log::Kind::kOutput:
    case log::Kind::kError: {
      stream_ = record.kind == log::Kind::kOutput ? LogStream::kOutput : LogStream::kError;
      bytes_ = record.bytes;
      cut_ = false;
      Stream& of = streams_[static_cast<std::size_t>(stream_)];
      if (of.fresh) of.leaving_out = record.continues;
      of.fresh = false;
      break;
    }
    case log::Kind::kStarted:
      system_ = "started";
      break;
    case log::Kind::kEnded:
      system_ = describe(read_as<log::Exit>(record.bytes));
      break;
    case log::Kind::kSystem:
      system_ = record.bytes;
      break;
    case log::Kind::kDropped:
      system_ = cat(read_as<std::uint64_t>(record.bytes), " bytes dropped: the log could not be written");
      break;
    default:  // of a newer writer
      cut_ = false;
      break;
  }
}

Result<bool> LogLines::next(Lines& lines) {
  for (;;) {
    while (!bytes_.empty())
      if (split(lines)) return true;
    if (cut_ && rest_of(lines)) return true;
    cut_ = false;
    if (!system_.empty()) {
      given_ = std::exchange(system_, {});
      lines = {time_, LogStream::kSystem, given_};
      return true;
    }
    LogRecord record;
    if (!TRY(records_.next(record))) return false;
    take(record);
  }
}

}  // namespace convox::runtime
