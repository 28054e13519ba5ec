// How is JSON read and written? RapidJSON, with its flags pinned in this one place.
//
// Iterative parsing, because recursion on hostile nesting ends in a crash; UTF-8 is validated; duplicate keys and NUL
// inside strings are refused, because two readers of one document would otherwise see two values (hardening rules A16,
// I3, I4).
#pragma once
#define RAPIDJSON_HAS_STDSTRING 1
#include <rapidjson/document.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace convox::json {

using Document = rapidjson::Document;
using Value = rapidjson::Value;
using Buffer = rapidjson::StringBuffer;
using Writer = rapidjson::Writer<rapidjson::StringBuffer>;
using PrettyWriter = rapidjson::PrettyWriter<rapidjson::StringBuffer>;

// Parses a whole document: an object, nested at most 64 deep. Errors name `what` and the offset.
Result<Document> parse(std::string_view text, std::string_view what);
// The same for the few documents whose top is a list (manifest.json of `docker save`).
Result<Document> parse_list(std::string_view text, std::string_view what);

// Member access that tells "absent" from "of the wrong type". An absent or null member gives nothing.
Result<std::optional<std::string>> string(const Value& object, const char* key);
Result<std::optional<std::int64_t>> integer(const Value& object, const char* key);
Result<std::optional<bool>> boolean(const Value& object, const char* key);
Result<std::vector<std::string>> strings(const Value& object, const char* key);  // absent: empty
// The member if it is an object (array), else null; of the wrong type: an error.
Result<const Value*> object(const Value& object, const char* key);
Result<const Value*> array(const Value& object, const char* key);

inline void write(Writer& writer, std::string_view text) {
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

// For text that need not be UTF-8, which JSON cannot hold: command lines and variables are bytes. What is UTF-8 is a
// string, all else {"hex": "..."}.
void write_bytes(Writer& writer, std::string_view bytes);
void write_bytes(Writer& writer, const std::vector<std::string>& list);
// What write_bytes wrote; nothing if it is neither.
std::optional<std::string> bytes(const Value& value);
Result<std::vector<std::string>> bytes_list(const Value& object, const char* key);  // absent: empty

}  // namespace convox::json
