#include "tests/oci/support/json.h"

#include <rapidjson/document.h>
#include <rapidjson/pointer.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace convox::test {

std::string at(const std::string& json, const std::string& pointer) {
  rapidjson::Document document;
  if (document.Parse(json.c_str(), json.size()).HasParseError()) return "not JSON";
  const rapidjson::Value* value = rapidjson::Pointer(pointer.c_str()).Get(document);
  if (!value) return "absent";
  if (value->IsString()) return {value->GetString(), value->GetStringLength()};
  rapidjson::StringBuffer text;
  rapidjson::Writer<rapidjson::StringBuffer> writer(text);
  value->Accept(writer);
  return {text.GetString(), text.GetSize()};
}

std::string quoted(const std::string& text) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  writer.String(text.c_str(), static_cast<rapidjson::SizeType>(text.size()));
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace convox::test
