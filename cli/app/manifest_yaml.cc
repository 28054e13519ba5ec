#include "cli/app/manifest_yaml.h"

#include <yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

namespace convox::app {
namespace {

constexpr std::string_view kCoreTags = "tag:yaml.org,2002:";

struct Event : yaml_event_t {
  Event() : yaml_event_t{} {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(this); }
};

std::string_view view(const yaml_char_t* text) {
  return text ? std::string_view(reinterpret_cast<const char*>(text)) : std::string_view();
}

Error at_line(std::size_t line, std::string_view what) { return invalid(cat("yaml: line ", line, ": ", what)); }

bool means_null(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

class TreeBuilder {
 public:
  explicit TreeBuilder(std::string_view text) {
    ready_ = yaml_parser_initialize(&parser_);
    if (!ready_) return;
    // Without this a byte order mark could turn the text into UTF-16 that nobody else sees.
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  TreeBuilder(const TreeBuilder&) = delete;
  TreeBuilder& operator=(const TreeBuilder&) = delete;
  ~TreeBuilder() {
    if (ready_) yaml_parser_delete(&parser_);
  }

  Result<YamlNode> document() {
    if (!ready_) return invalid("yaml: out of memory");
    YamlNode root;
    for (bool found = false;;) {
      Event event;
      TRY(next(event));
      switch (event.type) {
        case YAML_STREAM_END_EVENT:
          return root;
        case YAML_DOCUMENT_START_EVENT:
          if (found) return at_line(line_, "a second document");
          found = true;
          break;
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
          break;
        default:
          root = TRY(node(event, 1));
      }
    }
  }

 private:
  Result<> next(Event& event) {
    if (yaml_parser_parse(&parser_, &event)) {
      line_ = event.start_mark.line + 1;
      return ok();
    }
    return at_line(parser_.problem_mark.line + 1, parser_.problem ? parser_.problem : "out of memory");
  }

  // The node that `event` begins.
  Result<YamlNode> node(const Event& event, int depth) {
    if (depth > kYamlDepth) return at_line(line_, cat("nested more than ", kYamlDepth, " deep"));
    switch (event.type) {
      case YAML_SCALAR_EVENT:
        return named(event.data.scalar.anchor, TRY(scalar(event)));
      case YAML_SEQUENCE_START_EVENT: {
        TRY(check_tag(event.data.sequence_start.tag));
        const std::string anchor(view(event.data.sequence_start.anchor));
        return named(anchor, TRY(sequence(depth)));
      }
      case YAML_MAPPING_START_EVENT: {
        TRY(check_tag(event.data.mapping_start.tag));
        const std::string anchor(view(event.data.mapping_start.anchor));
        return named(anchor, TRY(mapping(depth)));
      }
      case YAML_ALIAS_EVENT: {
        const std::string_view name = view(event.data.alias.anchor);
        const auto at = anchors_.find(name);  // not there while it is still being read, so no node contains itself
        if (at == anchors_.end()) return at_line(line_, cat("unknown anchor '", name, "' referenced"));
        TRY(spend(at->second));
        return at->second;
      }
      default:
        return at_line(line_, "unexpected end");
    }
  }

  Result<YamlNode> scalar(const Event& event) {
    const auto& from = event.data.scalar;
    const std::string_view tag = view(from.tag);
    TRY(check_tag(from.tag));
    YamlNode made = begun(YamlNode::Kind::kScalar);
    made.text.assign(reinterpret_cast<const char*>(from.value), from.length);
    if (made.text.find('\0') != std::string::npos) return at_line(line_, "a NUL character");
    made.quoted = from.style != YAML_PLAIN_SCALAR_STYLE || tag.ends_with(":str");
    if (!made.quoted && means_null(made.text)) made.kind = YamlNode::Kind::kNull;
    TRY(spend(1, made.text.size()));
    return made;
  }

  Result<YamlNode> sequence(int depth) {
    YamlNode made = begun(YamlNode::Kind::kSequence);
    TRY(spend(1, 0));
    for (;;) {
      Event event;
      TRY(next(event));
      if (event.type == YAML_SEQUENCE_END_EVENT) return made;
      made.items.push_back(TRY(node(event, depth + 1)));
    }
  }

  Result<YamlNode> mapping(int depth) {
    YamlNode made = begun(YamlNode::Kind::kMapping);
    std::vector<YamlNode> merged;
    TRY(spend(1, 0));
    for (;;) {
      Event event;
      TRY(next(event));
      if (event.type == YAML_MAPPING_END_EVENT) break;
      YamlNode key = TRY(node(event, depth + 1));
      if (!key.is_text()) return at_line(static_cast<std::size_t>(key.line), "a key that is not a word");
      Event value_event;
      TRY(next(value_event));
      YamlNode value = TRY(node(value_event, depth + 1));
      if (key.text == "<<") {
        merged.push_back(std::move(value));
        continue;
      }
      if (has(made, key.text)) return at_line(static_cast<std::size_t>(key.line), cat("key \"", key.text, "\" twice"));
      made.entries.push_back({std::move(key.text), key.line, std::move(value)});
    }
    for (YamlNode& source : merged) TRY(merge(made, source));
    return made;
  }

  // Keys of the mapping itself win over merged ones, and earlier sources over later ones.  yaml.org/type/merge.html
  Result<> merge(YamlNode& into, YamlNode& source) {
    if (source.is_list()) {
      for (YamlNode& one : source.items) {
        if (!one.is_map())
          return at_line(static_cast<std::size_t>(one.line), "map merge requires map or sequence of maps as the value");
        TRY(merge(into, one));
      }
      return ok();
    }
    if (!source.is_map())
      return at_line(static_cast<std::size_t>(source.line), "map merge requires map or sequence of maps as the value");
    for (YamlEntry& entry : source.entries)
      if (!has(into, entry.key)) into.entries.push_back(std::move(entry));
    return ok();
  }

  static bool has(const YamlNode& mapping, std::string_view key) {
    return std::ranges::any_of(mapping.entries, [&](const YamlEntry& entry) { return entry.key == key; });
  }

  YamlNode begun(YamlNode::Kind kind) const {
    YamlNode made;
    made.kind = kind;
    made.line = static_cast<int>(line_);
    return made;
  }

  Result<YamlNode> named(const yaml_char_t* anchor, YamlNode node) { return named(view(anchor), std::move(node)); }
  Result<YamlNode> named(std::string_view anchor, YamlNode node) {
    if (anchor.empty()) return node;
    TRY(spend(node));  // the copy that is kept
    anchors_.insert_or_assign(std::string(anchor), node);
    return node;
  }

  Result<> check_tag(const yaml_char_t* tag) {
    if (!tag || view(tag).starts_with(kCoreTags)) return ok();
    return at_line(line_, cat("the tag ", view(tag), " has no meaning here"));
  }

  // Every node and byte of the tree is paid for before it is made, those of a copy again.
  Result<> spend(std::size_t nodes, std::size_t bytes) {
    nodes_ += nodes;
    bytes_ += bytes;
    if (nodes_ > kYamlNodes) return at_line(line_, cat("more than ", kYamlNodes, " values, aliases included"));
    if (bytes_ > kYamlBytes) return at_line(line_, cat("more than ", kYamlBytes, " bytes, aliases included"));
    return ok();
  }
  Result<> spend(const YamlNode& tree) {
    TRY(spend(1, tree.text.size()));
    for (const YamlNode& item : tree.items) TRY(spend(item));
    for (const YamlEntry& entry : tree.entries) {
      TRY(spend(1, entry.key.size()));
      TRY(spend(entry.value));
    }
    return ok();
  }

  yaml_parser_t parser_;
  bool ready_ = false;
  std::size_t line_ = 1, nodes_ = 0, bytes_ = 0;
  std::map<std::string, YamlNode, std::less<>> anchors_;
};

}  // namespace

std::optional<std::int64_t> YamlNode::integer() const {
  if (!is_text() || quoted) return std::nullopt;
  const std::string_view digits = std::string_view(text).substr(text.starts_with('-') ? 1 : 0);
  if (digits.size() > 1 && digits[0] == '0') return std::nullopt;  // YAML 1.1 would read it as octal
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<bool> YamlNode::boolean() const {
  constexpr std::array<std::string_view, 11> yes = {"true", "True", "TRUE", "yes", "Yes", "YES",
                                                    "on",   "On",   "ON",   "y",   "Y"};
  constexpr std::array<std::string_view, 11> no = {"false", "False", "FALSE", "no", "No", "NO",
                                                   "off",   "Off",   "OFF",   "n",  "N"};
  if (!is_text() || quoted) return std::nullopt;
  if (std::ranges::find(yes, text) != yes.end()) return true;
  if (std::ranges::find(no, text) != no.end()) return false;
  return std::nullopt;
}

std::string_view YamlNode::type_name() const {
  switch (kind) {
    case Kind::kNull:
      return "<nil>";
    case Kind::kSequence:
      return "[]interface {}";
    case Kind::kMapping:
      return "map[interface {}]interface {}";
    case Kind::kScalar:
      break;
  }
  return integer() ? "int" : boolean() ? "bool" : "string";
}

Result<YamlNode> parse_yaml(std::string_view text) {
  if (text.size() > kYamlBytes) return invalid(cat("yaml: more than ", kYamlBytes, " bytes"));
  return TreeBuilder(text).document();
}

}  // namespace convox::app
