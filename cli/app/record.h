// How does a record get to the disk and back, whole or not at all?
//
// A record is one JSON object in one file of our own directories. Its first member is the CRC-32C of every byte after
// it,
//   {"crc32c":"e3069283","version":1, ...}
// so that a page lost in a crash, or a disk that lies, is seen and not believed. It protects against accidents; against
// people stands the 0700 directory. Writing is fs::replace: temporary file, fsync, rename, fsync of the directory.
// After a crash there is the old record or the new one. (hardening rules C6 and C9; rename(2), fsync(2))
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/app/environment.h"
#include "runtime/base/json.h"
#include "runtime/base/result.h"

namespace convox::app {

inline constexpr int kRecordVersion = 1;

// The Castagnoli polynomial, as iSCSI, ext4 and Btrfs use it (RFC 3720, appendix B.4).
std::uint32_t crc32c(std::string_view bytes);

// Puts the checksum in front of `{"version":1,...}`, and takes a sealed text apart again.
std::string seal(std::string_view object);
Result<json::Document> unseal(std::string_view text, std::string_view what);

Result<> write_record(int dir, const std::string& name, std::string_view object);

// Not there: kNotFound. There but damaged: the file is moved aside as `<name>.bad`, so that the next command is not
// stopped by it again and nothing is lost, and the error says so.
Result<json::Document> read_record(int dir, const std::string& name);

// Puts a record together, member by member, and takes it apart. A member that is missing is an error: a record is never
// half understood.
class RecordWriter {
 public:
  RecordWriter();
  void text(const char* key, std::string_view value);
  void number(const char* key, std::int64_t value);
  void map(const char* key, const Environment& values);
  std::string end();

 private:
  json::Buffer buffer_;
  json::Writer writer_;
};

class RecordReader {
 public:
  explicit RecordReader(const json::Value& object) : object_(object) {}
  Result<std::string> text(const char* key) const;
  Result<std::int64_t> number(const char* key) const;
  Result<Environment> map(const char* key) const;

 private:
  const json::Value& object_;
};

// Seconds since 1970, the times of records.
std::int64_t seconds_now();

// Identifiers of releases and builds: `R` or `B` and ten letters A-Z.
std::string new_id(char kind);
bool is_id(char kind, std::string_view text);

}  // namespace convox::app
