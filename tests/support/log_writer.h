// Logs of detached containers as tests want them: sound, torn, damaged, with segments missing. Written by hand, so that
// what the reader is judged by does not come from the code that it shares.
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "runtime/base/cat.h"
#include "runtime/keeper/log_format.h"

namespace convox::test {

inline constexpr std::int64_t kTick = 1'000'000'000;  // nanoseconds; times of records are told in seconds

class LogWriter {
 public:
  // In ROOT/apps/APP/logs, whose directories are made.
  LogWriter(const std::string& root, const std::string& app, std::string id, const std::string& service = "web")
      : directory_(cat(root, "/apps/", app, "/logs/", id)) {
    for (std::size_t at = directory_.find('/', root.size() + 1); at != directory_.npos;
         at = directory_.find('/', at + 1))
      ::mkdir(directory_.substr(0, at).c_str(), 0700);
    ::mkdir(directory_.c_str(), 0700);
    const std::string origin = cat("{\"version\":1,\"id\":\"", id, "\",\"app\":\"", app, "\",\"service\":\"", service,
                                   "\",\"release\":\"RABCDEFGHIJ\",\"command\":[\"true\"],\"started\":1}");
    const int file = ::open(cat(directory_, "/process.json").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    put(file, origin);
    ::close(file);
    begin_segment();
  }
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;
  ~LogWriter() { ::close(file_); }

  LogWriter& record(log::Kind kind, std::int64_t time, std::string_view bytes, bool continues = false) {
    const log::RecordHead head{.size = static_cast<std::uint32_t>(bytes.size()),
                               .mark = log::kRecordMark,
                               .kind = kind,
                               .continues = static_cast<std::uint8_t>(continues),
                               .time = time};
    std::string whole(reinterpret_cast<const char*>(&head), sizeof head);
    whole += bytes;
    return raw(whole);
  }
  // Times in seconds.
  LogWriter& output(double time, std::string_view bytes, bool continues = false) {
    return record(log::Kind::kOutput, nanoseconds(time), bytes, continues);
  }
  LogWriter& error(double time, std::string_view bytes) { return record(log::Kind::kError, nanoseconds(time), bytes); }
  LogWriter& started(double time) { return record(log::Kind::kStarted, nanoseconds(time), {}); }
  LogWriter& ended(double time, log::Exit exit) {
    return record(log::Kind::kEnded, nanoseconds(time), {reinterpret_cast<const char*>(&exit), sizeof exit});
  }
  LogWriter& exited(double time, int code) { return ended(time, {.magic = log::kExitMagic, .code = code}); }
  // As they are: half a record, garbage.
  LogWriter& raw(std::string_view bytes) {
    put(file_, bytes);
    written_ += bytes.size();
    return *this;
  }
  // What a crash tore is cut off by the next writer.
  LogWriter& cut(std::size_t bytes) {
    written_ -= bytes;
    (void)!::ftruncate(file_, ::lseek(file_, -static_cast<off_t>(bytes), SEEK_END));
    return *this;
  }

  LogWriter& next_segment(double time) {
    record(log::Kind::kContinued, nanoseconds(time), {});
    return begin_segment();
  }
  // As if the one before had ended without a word.
  LogWriter& begin_segment() {
    if (file_ >= 0) ::close(file_);
    const log::SegmentHead head{.magic = log::kSegmentMagic, .version = 1, .number = ++number_, .written = written_};
    file_ = ::open(path(number_).c_str(), O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    put(file_, {reinterpret_cast<const char*>(&head), sizeof head});
    return *this;
  }
  void remove_segment(std::uint64_t number) const { ::unlink(path(number).c_str()); }

  [[nodiscard]] std::string path(std::uint64_t number) const {
    char name[32];
    std::snprintf(name, sizeof name, "/%08lu.log", static_cast<unsigned long>(number));
    return directory_ + name;
  }
  [[nodiscard]] const std::string& directory() const { return directory_; }

 private:
  static std::int64_t nanoseconds(double seconds) { return static_cast<std::int64_t>(seconds * kTick); }
  static void put(int file, std::string_view bytes) { (void)!::write(file, bytes.data(), bytes.size()); }

  std::string directory_;
  int file_ = -1;
  std::uint64_t number_ = 0, written_ = 0;
};

}  // namespace convox::test
