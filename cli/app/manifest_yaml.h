// How does YAML text become a tree whose nodes know their line?
//
// libyaml reads the events, this file makes the tree: aliases are expanded in place and `<<` merged, so that readers
// see plain mappings. convox.yml comes from whoever wrote the code, so every dimension has a limit, also after
// expansion: a few lines of aliases to aliases can otherwise stand for gigabytes. Duplicate keys are errors, since two
// readers could take two different ones; so are tags of somebody's own, several documents and keys that are not
// scalars.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace convox::app {

inline constexpr std::size_t kYamlBytes = 1 << 20;  // of the text, and of all scalars after expansion
inline constexpr std::size_t kYamlNodes = 10'000;   // after expansion
inline constexpr int kYamlDepth = 64;

struct YamlEntry;

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMapping };
  Kind kind = Kind::kNull;
  bool quoted = false;             // text for sure: "16" is no number
  int line = 0;                    // counted from 1
  std::string text;                // of a scalar
  std::vector<YamlNode> items;     // of a sequence
  std::vector<YamlEntry> entries;  // of a mapping, in the order of the file

  bool is_text() const { return kind == Kind::kScalar; }
  bool is_list() const { return kind == Kind::kSequence; }
  bool is_map() const { return kind == Kind::kMapping; }
  std::optional<std::int64_t> integer() const;  // a plain decimal number
  std::optional<bool> boolean() const;          // true, yes, on, y and their opposites, as YAML 1.1 has them
  // What Go's yaml.v2 calls the type of this value: Convox prints it in messages.
  std::string_view type_name() const;
};

struct YamlEntry {
  std::string key;
  int line = 0;
  YamlNode value;
};

// Errors read "yaml: line 3: did not find expected key".
Result<YamlNode> parse_yaml(std::string_view text);

}  // namespace convox::app
