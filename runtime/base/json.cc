#include "runtime/base/json.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace convox::json {
namespace {

constexpr unsigned kFlags = rapidjson::kParseIterativeFlag;
constexpr int kDepth = 64;
constexpr std::size_t kLongestPlace = 256;
constexpr const char* kHex = "hex";

// Eight bytes at a time: of every document that is read, most are ASCII.
bool is_ascii(std::string_view text) {
  std::uint64_t seen = 0, eight = 0;
  for (; text.size() >= sizeof eight; text.remove_prefix(sizeof eight)) {
    std::memcpy(&eight, text.data(), sizeof eight);
    seen |= eight;
  }
  for (const char c : text) seen |= static_cast<unsigned char>(c);
  return (seen & 0x8080808080808080) == 0;
}

bool is_utf8(std::string_view text) {
  rapidjson::MemoryStream stream(text.data(), text.size());
  Buffer ignored;
  bool valid = is_ascii(text);
  if (!valid) do
      valid = rapidjson::UTF8<>::Validate(stream, ignored);
    while (valid && stream.Tell() < text.size());
  return valid;
}

// Any order will do, so the cheapest: most names differ in length.
bool is_before(std::string_view a, std::string_view b) { return a.size() != b.size() ? a.size() < b.size() : a < b; }

// Refuses what C strings and other readers would see differently; `place` is then where, as ".a[1].b". Recursion is
// bounded by kDepth.
const char* objection(const Value& value, int depth, std::string& place) {
  if (depth > kDepth) return "nested too deeply";
  if (value.IsString())
    return std::memchr(value.GetString(), 0, value.GetStringLength()) ? "a NUL in a string" : nullptr;
  if (value.IsArray()) {
    for (const Value& element : value.GetArray())
      if (const char* why = objection(element, depth + 1, place)) {
        place.insert(0, cat("[", &element - value.Begin(), "]"));
        return why;
      }
  }
  if (value.IsObject()) {
    std::vector<std::string_view> keys;
    keys.reserve(value.MemberCount());
    for (const auto& member : value.GetObject()) {
      keys.emplace_back(member.name.GetString(), member.name.GetStringLength());
      if (const char* why = objection(member.name, depth + 1, place)) return why;
      if (const char* why = objection(member.value, depth + 1, place)) {
        place.insert(0, cat(".", keys.back()));
        return why;
      }
    }
    std::sort(keys.begin(), keys.end(), is_before);
    if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) return "a key given twice";
  }
  return nullptr;
}

const Value* find(const Value& object, const char* key) {
  if (!object.IsObject()) return nullptr;
  const std::string_view wanted(key);
  for (const auto& member : object.GetObject()) {  // FindMember would make a Value of the key, each time
    const std::string_view name(member.name.GetString(), member.name.GetStringLength());
    if (name == wanted) return member.value.IsNull() ? nullptr : &member.value;
  }
  return nullptr;
}

Error wrong(const char* key, const char* wanted) { return invalid(cat("\"", key, "\" must be ", wanted)); }

Result<Document> parse_any(std::string_view text, std::string_view what) {
  Document document;
  if (is_ascii(text))  // it is UTF-8, and that is much less work to find out than to decode every character
    document.Parse<kFlags>(text.data(), text.size());
  else
    document.Parse<kFlags | rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());
  if (document.HasParseError())
    return invalid(
        cat(what, ": ", rapidjson::GetParseError_En(document.GetParseError()), " at byte ", document.GetErrorOffset()));
  std::string place;
  if (const char* why = objection(document, 0, place)) {
    if (place.empty()) return invalid(cat(what, ": ", why));
    place.resize(std::min<std::size_t>(place.size(), kLongestPlace));
    return invalid(cat(what, ": ", std::string_view(place).substr(place.starts_with('.') ? 1 : 0), ": ", why));
  }
  return document;
}

}  // namespace

Result<Document> parse(std::string_view text, std::string_view what) {
  Document document = TRY(parse_any(text, what));
  if (!document.IsObject()) return invalid(cat(what, ": not a JSON object"));
  return document;
}

Result<Document> parse_list(std::string_view text, std::string_view what) {
  Document document = TRY(parse_any(text, what));
  if (!document.IsArray()) return invalid(cat(what, ": not a JSON list"));
  return document;
}

Result<std::optional<std::string>> string(const Value& object, const char* key) {
  const Value* value = find(object, key);
  if (!value) return std::optional<std::string>();
  if (!value->IsString()) return wrong(key, "a string");
  return std::optional<std::string>(std::in_place, value->GetString(), value->GetStringLength());
}

Result<std::optional<std::int64_t>> integer(const Value& object, const char* key) {
  const Value* value = find(object, key);
  if (!value) return std::optional<std::int64_t>();
  if (!value->IsInt64()) return wrong(key, "an integer");
  return std::optional<std::int64_t>(value->GetInt64());
}

Result<std::optional<bool>> boolean(const Value& object, const char* key) {
  const Value* value = find(object, key);
  if (!value) return std::optional<bool>();
  if (!value->IsBool()) return wrong(key, "true or false");
  return std::optional<bool>(value->GetBool());
}

Result<std::vector<std::string>> strings(const Value& object, const char* key) {
  std::vector<std::string> list;
  const Value* value = find(object, key);
  if (!value) return list;
  if (!value->IsArray()) return wrong(key, "a list of strings");
  for (const Value& element : value->GetArray()) {
    if (!element.IsString()) return wrong(key, "a list of strings");
    list.emplace_back(element.GetString(), element.GetStringLength());
  }
  return list;
}

Result<const Value*> object(const Value& parent, const char* key) {
  const Value* value = find(parent, key);
  if (value && !value->IsObject()) return wrong(key, "an object");
  return value;
}

Result<const Value*> array(const Value& parent, const char* key) {
  const Value* value = find(parent, key);
  if (value && !value->IsArray()) return wrong(key, "a list");
  return value;
}

void write_bytes(Writer& writer, std::string_view bytes) {
  if (is_utf8(bytes)) return write(writer, bytes);
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (const char byte : bytes) {
    hex += digits[static_cast<unsigned char>(byte) >> 4];
    hex += digits[static_cast<unsigned char>(byte) & 15];
  }
  writer.StartObject();
  writer.Key(kHex);
  write(writer, hex);
  writer.EndObject();
}

std::optional<std::string> bytes(const Value& value) {
  if (value.IsString()) return std::string(value.GetString(), value.GetStringLength());
  if (!value.IsObject() || !value.HasMember(kHex) || !value[kHex].IsString()) return std::nullopt;
  const std::string_view hex(value[kHex].GetString(), value[kHex].GetStringLength());
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string made;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    unsigned byte = 0;
    const auto [end, error] = std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    if (error != std::errc() || end != hex.data() + i + 2) return std::nullopt;
    made += static_cast<char>(byte);
  }
  return made;
}

void write_bytes(Writer& writer, const std::vector<std::string>& list) {
  writer.StartArray();
  for (const std::string& item : list) write_bytes(writer, item);
  writer.EndArray();
}

Result<std::vector<std::string>> bytes_list(const Value& owner, const char* key) {
  std::vector<std::string> list;
  const Value* items = TRY(array(owner, key));
  if (!items) return list;
  for (const Value& item : items->GetArray()) {
    auto text = bytes(item);
    if (!text) return wrong(key, "a list of strings");
    list.push_back(std::move(*text));
  }
  return list;
}

}  // namespace convox::json
