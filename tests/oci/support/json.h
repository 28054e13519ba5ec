// What stands at this place of a JSON text?
#pragma once
#include <string>

namespace convox::test {

// at(text, "/linux/namespaces/0/type"): a string as it is, anything else as compact JSON; "absent", or "not JSON" when
// the text is not exactly one JSON value.  JSON Pointer: RFC 6901
std::string at(const std::string& json, const std::string& pointer);

// A JSON string with quotes, escaped.
std::string quoted(const std::string& text);

}  // namespace convox::test
