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

// Identifiers of releases and builds: `R` or `B` and ten letters A-Z.
std::string new_id(char kind);
bool is_id(char kind, std::string_view text);

}  // namespace convox::app
