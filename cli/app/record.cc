#include "cli/app/record.h"

#include <fcntl.h>
#include <time.h>

#include <algorithm>
#include <array>

#include "runtime/base/fs.h"

namespace convox::app {
namespace {

constexpr std::size_t kLargestRecord = 4u << 20;
constexpr std::size_t kLetters = 10;
constexpr std::string_view kOpening = "{\"crc32c\":\"";
constexpr std::size_t kDigits = 8;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1) ? 0x82f63b78u : 0u);
    table[byte] = rest;
  }
  return table;
}
constexpr auto kTable = make_table();

std::string hex(std::uint32_t number) {
  std::string digits;
  for (int shift = 28; shift >= 0; shift -= 4) digits += "0123456789abcdef"[(number >> shift) & 15];
  return digits;
}

Error missing(const char* key) { return invalid(cat("\"", key, "\" is missing")); }

}  // namespace

RecordWriter::RecordWriter() : writer_(buffer_) {
  writer_.StartObject();
  number("version", kRecordVersion);
}

void RecordWriter::text(const char* key, std::string_view value) {
  writer_.Key(key);
  json::write(writer_, value);
}

void RecordWriter::number(const char* key, std::int64_t value) {
  writer_.Key(key);
  writer_.Int64(value);
}

void RecordWriter::map(const char* key, const Environment& values) {
  writer_.Key(key);
  writer_.StartObject();
  for (const auto& [name, value] : values) text(name.c_str(), value);
  writer_.EndObject();
}

std::string RecordWriter::end() {
  writer_.EndObject();
  return {buffer_.GetString(), buffer_.GetSize()};
}

Result<std::string> RecordReader::text(const char* key) const {
  auto value = TRY(json::string(object_, key));
  if (!value) return missing(key);
  return *std::move(value);
}

Result<std::int64_t> RecordReader::number(const char* key) const {
  const auto value = TRY(json::integer(object_, key));
  if (!value) return missing(key);
  return *value;
}

Result<Environment> RecordReader::map(const char* key) const {
  const json::Value* object = TRY(json::object(object_, key));
  if (!object) return missing(key);
  Environment values;
  for (const auto& member : object->GetObject()) {
    if (!member.value.IsString()) return invalid(cat("\"", key, "\" must hold strings only"));
    values.emplace(std::string(member.name.GetString(), member.name.GetStringLength()),
                   std::string(member.value.GetString(), member.value.GetStringLength()));
  }
  return values;
}

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t rest = ~0u;
  for (const unsigned char byte : bytes) rest = (rest >> 8) ^ kTable[(rest ^ byte) & 0xff];
  return ~rest;
}

std::string seal(std::string_view object) {
  const std::string covered = cat("\",", object.substr(1), "\n");  // everything behind the digits
  return cat(kOpening, hex(crc32c(covered)), covered);
}

Result<json::Document> unseal(std::string_view text, std::string_view what) {
  const std::size_t covered = kOpening.size() + kDigits;
  if (text.size() <= covered || !text.starts_with(kOpening))
    return invalid(cat(what, ": no checksum at its beginning"));
  if (text.substr(kOpening.size(), kDigits) != hex(crc32c(text.substr(covered))))
    return invalid(cat(what, ": its checksum does not match its content"));
  return json::parse(text, what);
}

Result<> write_record(int dir, const std::string& name, std::string_view object) {
  return fs::replace(dir, name, seal(object), 0600, fs::Durable::kYes);
}

Result<json::Document> read_record(int dir, const std::string& name) {
  auto text = fs::read(dir, name, kLargestRecord);
  if (!text) {
    Error error = std::move(text).error();
    if (error.code == ENOENT) error.kind = Error::Kind::kNotFound;
    return error;
  }
  auto document = unseal(*text, name);
  if (document) {
    // Not damage: a newer convox wrote it, and its word stays where it is.
    const auto version = TRY(json::integer(*document, "version"), name);
    if (version == kRecordVersion) return document;
    return invalid(cat(name, ": a record of version ", version.value_or(0), ", this convox reads ", kRecordVersion));
  }
  Error error = std::move(document).error();
  const std::string aside = cat(name, ".bad");
  const long moved = sys::renameat2(dir, name.c_str(), dir, aside.c_str(), 0);
  error.text = cat("damaged record: ", error.text, moved < 0 ? "" : cat("; moved aside as ", aside));
  return error;
}

std::int64_t seconds_now() {
  timespec time{};
  sys::clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec;
}

std::string new_id(char kind) {
  // 234 is the largest multiple of 26 in a byte: taking the rest of a larger one would favour the first letters.
  std::string id(1, kind);
  while (id.size() < 1 + kLetters) {
    unsigned char random[2 * kLetters];
    const long got = sys::getrandom(random, sizeof random, 0);
    for (long at = 0; at < got && id.size() < 1 + kLetters; ++at)
      if (random[at] < 234) id += static_cast<char>('A' + random[at] % 26);
  }
  return id;
}

bool is_id(char kind, std::string_view text) {
  return text.size() == 1 + kLetters && text.front() == kind &&
         std::all_of(text.begin(), text.end(), [](char letter) { return letter >= 'A' && letter <= 'Z'; });
}

}  // namespace convox::app
