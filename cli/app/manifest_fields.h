// How is one mapping of convox.yml read, key by key?
//
// Whoever reads a key thereby says that it exists; what nobody asked for is an unknown key. So no second list of keys
// can fall behind. Nothing here stops at a null: `port:` with nothing behind it is a key that was not given.
#pragma once
#include <concepts>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/app/manifest.h"
#include "cli/app/manifest_yaml.h"

namespace convox::app {

class Fields {
 public:
  // `path` names the mapping in messages: "services.web". A null reads as a mapping without keys.
  static Result<Fields> open(const YamlNode& node, std::string path, std::vector<Warning>& warnings);

  const YamlNode* find(std::string_view key);  // null: absent, or without a value
  Result<> text(std::string_view key, std::string& into);
  Result<> flag(std::string_view key, bool& into);
  Result<> flag(std::string_view key, std::optional<bool>& into);
  template <std::integral Number>
  Result<> number(std::string_view key, Number& into) {
    const YamlNode* value = find(key);
    if (value) into = static_cast<Number>(TRY(whole_number(key, *value, std::numeric_limits<Number>::max())));
    return ok();
  }
  Result<> list(std::string_view key, std::vector<std::string>& into);        // appends
  Result<> comma_list(std::string_view key, std::vector<std::string>& into);  // a list, or a text with commas
  Result<> pairs(std::string_view key, Pairs& into);                          // a mapping of texts
  // A mapping, which `read` puts into `into`. Its unknown keys are reported.
  template <class Thing>
  Result<> map(std::string_view key, Thing& into, Result<> (*read)(Fields&, Thing&)) {
    const YamlNode* value = find(key);
    return value ? inside(key, *value, into, read) : ok();
  }
  // A list of mappings.
  template <class Thing>
  Result<> maps(std::string_view key, std::vector<Thing>& into, Result<> (*read)(Fields&, Thing&)) {
    const YamlNode* value = find(key);
    if (!value) return ok();
    if (!value->is_list()) return wrong(key, *value, "a list");
    for (const YamlNode& item : value->items) TRY(inside(key, item, into.emplace_back(), read));
    return ok();
  }
  // A mapping from names to mappings, as `services` is one. `read` finds the name in `into.name`.
  template <class Thing>
  Result<> named(std::string_view key, std::vector<Thing>& into, Result<> (*read)(Fields&, Thing&)) {
    const YamlNode* value = find(key);
    if (!value) return ok();
    if (!value->is_map()) return wrong(key, *value, "a mapping");
    for (const YamlEntry& entry : value->entries) {
      Thing& thing = into.emplace_back();
      thing.name = entry.key;
      TRY(inside(cat(key, ".", entry.key), entry.value, thing, read));
    }
    return ok();
  }
  // `node`, which stands at `key`, as such a mapping.
  template <class Thing>
  Result<> inside(std::string_view key, const YamlNode& node, Thing& into, Result<> (*read)(Fields&, Thing&)) {
    Fields fields = TRY(open(node, below(key), *warnings_));
    TRY(read(fields, into));
    fields.finish();
    return ok();
  }

  // Keys that mean something only in a cloud: accepted, and one warning for each.
  void cloud_only(std::initializer_list<std::string_view> keys);
  // Warns about every key that was not asked for.
  void finish();

  Error wrong(std::string_view key, const YamlNode& value, std::string_view expected) const;
  std::string below(std::string_view key) const { return path_.empty() ? std::string(key) : cat(path_, ".", key); }

 private:
  Fields(const YamlNode& node, std::string path, std::vector<Warning>& warnings)
      : node_(&node), path_(std::move(path)), warnings_(&warnings) {}
  Result<std::int64_t> whole_number(std::string_view key, const YamlNode& value, std::int64_t limit) const;

  const YamlNode* node_;
  std::string path_;
  std::vector<Warning>* warnings_;
  std::vector<std::string_view> known_;
};

// The one of `words` that `word` is probably meant to be, or nothing: at most two letters wrong, and fewer than half.
std::string_view closest(std::string_view word, const std::vector<std::string_view>& words);

}  // namespace convox::app
