#include "cli/app/manifest_fields.h"

#include <algorithm>
#include <numeric>

namespace convox::app {
namespace {

std::string_view words_for(const YamlNode& value) {
  switch (value.kind) {
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kMapping:
      return "a mapping";
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      break;
  }
  return value.text;
}

// Levenshtein: how many letters must be changed, added or dropped.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

void split(std::string_view text, std::vector<std::string>& into) {
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    std::string_view word = text.substr(at, end - at);
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    if (!word.empty()) into.emplace_back(word);
    at = end + 1;
  }
}

}  // namespace

std::string_view closest(std::string_view word, const std::vector<std::string_view>& words) {
  std::string_view best;
  std::size_t least = std::min<std::size_t>(3, (word.size() + 1) / 2);
  for (const std::string_view candidate : words)
    if (const std::size_t far = word.size() > 64 ? 64 : distance(word, candidate); far < least) {
      least = far;
      best = candidate;
    }
  return best;
}

Result<Fields> Fields::open(const YamlNode& node, std::string path, std::vector<Warning>& warnings) {
  Fields fields(node, std::move(path), warnings);
  if (!node.is_map() && node.kind != YamlNode::Kind::kNull) return fields.wrong("", node, "a mapping");
  return fields;
}

Error Fields::wrong(std::string_view key, const YamlNode& value, std::string_view expected) const {
  std::string where = key.empty() ? path_ : below(key);
  if (!where.empty()) where += ": ";
  return invalid(cat("line ", value.line, ": ", where, expected, " is expected, not ", words_for(value)));
}

const YamlNode* Fields::find(std::string_view key) {
  known_.push_back(key);
  const auto at = std::ranges::find(node_->entries, key, &YamlEntry::key);
  return at == node_->entries.end() || at->value.kind == YamlNode::Kind::kNull ? nullptr : &at->value;
}

Result<> Fields::text(std::string_view key, std::string& into) {
  const YamlNode* value = find(key);
  if (value && !value->is_text()) return wrong(key, *value, "a text");
  if (value) into = value->text;
  return ok();
}

Result<> Fields::flag(std::string_view key, std::optional<bool>& into) {
  const YamlNode* value = find(key);
  if (!value) return ok();
  into = value->boolean();
  if (!into) return wrong(key, *value, "true or false");
  return ok();
}

Result<> Fields::flag(std::string_view key, bool& into) {
  std::optional<bool> given;
  TRY(flag(key, given));
  into = given.value_or(into);
  return ok();
}

Result<std::int64_t> Fields::whole_number(std::string_view key, const YamlNode& value, std::int64_t limit) const {
  const auto number = value.integer();
  if (!number || *number > limit || *number < -limit) return wrong(key, value, "a whole number");
  return *number;
}

Result<> Fields::list(std::string_view key, std::vector<std::string>& into) {
  const YamlNode* value = find(key);
  if (!value) return ok();
  if (!value->is_list()) return wrong(key, *value, "a list");
  for (const YamlNode& item : value->items) {
    if (!item.is_text()) return wrong(key, item, "a text");
    into.push_back(item.text);
  }
  return ok();
}

Result<> Fields::comma_list(std::string_view key, std::vector<std::string>& into) {
  const YamlNode* value = find(key);
  if (!value || !value->is_text()) return list(key, into);
  split(value->text, into);
  return ok();
}

Result<> Fields::pairs(std::string_view key, Pairs& into) {
  const YamlNode* value = find(key);
  if (!value) return ok();
  if (!value->is_map()) return wrong(key, *value, "a mapping");
  for (const YamlEntry& entry : value->entries) {
    if (!entry.value.is_text() && entry.value.kind != YamlNode::Kind::kNull) return wrong(key, entry.value, "a text");
    into.emplace_back(entry.key, entry.value.text);
  }
  return ok();
}

void Fields::cloud_only(std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (!find(key)) continue;
    const std::string text = cat("\"", key, "\" has no effect on a single host");
    if (std::ranges::find(*warnings_, text, &Warning::text) == warnings_->end())
      warnings_->push_back({std::ranges::find(node_->entries, key, &YamlEntry::key)->line, text});
  }
}

void Fields::finish() {
  for (const YamlEntry& entry : node_->entries) {
    if (std::ranges::find(known_, entry.key) != known_.end()) continue;
    const std::string_view meant = closest(entry.key, known_);
    warnings_->push_back({entry.line, cat("unknown key \"", below(entry.key), "\"",
                                          meant.empty() ? "" : cat(", did you mean \"", meant, "\"?"))});
  }
}

}  // namespace convox::app
