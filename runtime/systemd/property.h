// What is a unit told, and how is it written? Lines `Name=VALUE`, the value in GVariant's text format.
//
// The same lines carry our own properties and those of annotations (org.systemd.property.NAME), so there is one parser.
// Of the format: true, numbers, strings, arrays, tuples, and types in front of them: `uint64 5`, `@as []`. No
// dictionaries, no maybe types, no byte strings: no property of a scope has them.
// GLib's documentation, "GVariant Text Format"; D-Bus specification, "Type System". Read next: bus.h.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace convox::systemd {

struct Variant {
  enum class Kind { kBoolean, kNumber, kText, kArray, kTuple };
  Kind kind = Kind::kBoolean;
  std::string type = {};             // the D-Bus signature, one complete type: "t", "as", "a(ss)"
  bool truth = false;                // kBoolean
  std::string text = {};             // kText; the digits of kNumber
  std::vector<Variant> values = {};  // kArray, kTuple
};

struct Property {
  std::string name;
  Variant value;
};

// The whole text as one value. Whole numbers without a type are int32, as GVariant has it.
Result<Variant> parse_variant(std::string_view text);

// A line. NAME is at least three letters. One that ends in `Sec` after a small letter (TimeoutStopSec) is the name that
// unit files use: on the bus it is NAMEUSec, and counts microseconds.
Result<Property> parse_property(std::string_view line);

}  // namespace convox::systemd
