// How is a member of config.json taken, and what is said if it is not what it should be?
//
// An Item is a value of the document and the way to it, which is put into words only for an error. The first error of a
// document is kept and what is read after it is of no matter, so a reader is a plain list of the members that it knows,
// one function `read(item, target)` a type (static where only one file needs it: `take` finds it by its arguments,
// which do not lead into an unnamed namespace):
//
//   void read(const Item& it, User& user) {
//     it.take("uid", user.uid);
//     it.take("gid", user.gid);
//   }
//
// An absent member and null leave the target as it was; members that nobody takes are ignored, as the specification
// wants. Numbers are whole and within their range: no fraction and no exponent is one. Read next: config_read.h.
#pragma once
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/base/json.h"
#include "runtime/base/result.h"

namespace convox::oci {

// A word of the specification and what it stands for.
template <class Value>
struct Word {
  std::string_view word;
  Value value;
};

class Item {
 public:
  // The document, called `name` in messages; "" if its members are to be called by their own names alone.
  Item(const json::Value& value, std::string_view name, std::optional<Error>& error)
      : value_(value), name_(name), error_(error) {}
  Item(const json::Value& value, const Item& above, std::string_view key)
      : value_(value), above_(&above), name_(key), error_(above.error_) {}
  Item(const json::Value& value, const Item& above, std::size_t index)
      : value_(value), above_(&above), index_(index), error_(above.error_) {}
  Item(const Item&) = delete;

  [[nodiscard]] const json::Value& value() const { return value_; }
  // "process.rlimits[1].type"
  [[nodiscard]] std::string place() const;
  // PLACE: `what`, unless something was wrong before.
  void fail(std::string_view what) const;
  [[nodiscard]] bool failed() const { return error_.has_value(); }
  // Only for the owner of the document, once all is read.
  [[nodiscard]] Result<> result() const;

  // The member of an object, null if it is absent or null; that this is an object is checked.
  [[nodiscard]] const json::Value* find(std::string_view key) const;
  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }

  template <class Target>
  void take(std::string_view key, Target& target) const {
    if (const json::Value* value = find(key)) read(Item(*value, *this, key), target);
  }
  // A whole number from `least` to `most`.
  template <std::integral Number>
  void take(std::string_view key, Number& target, Number least, Number most) const {
    if (const json::Value* value = find(key)) Item(*value, *this, key).number(target, least, most);
  }
  // A word of `words`.
  template <class Words, class Target>
  void choose(std::string_view key, const Words& words, Target& target) const {
    if (const json::Value* value = find(key)) Item(*value, *this, key).choose(words, target);
  }
  template <class Words, class Target>
  void choose(const Words& words, Target& target) const {
    if (!check(value_.IsString(), "a string")) return;
    for (const auto& [word, meaning] : words)
      if (word == text()) {
        target = meaning;
        return;
      }
    unknown();
  }
  // `each(item)` for the elements of a list, `each(item, key)` for the members of an object that are not null.
  template <class Each>
  void elements(std::string_view key, Each each) const {
    const json::Value* value = find(key);
    if (value) Item(*value, *this, key).elements(each);
  }
  template <class Each>
  void elements(Each each) const {
    if (!check(value_.IsArray(), "a list")) return;
    std::size_t index = 0;
    for (const json::Value& element : value_.GetArray()) each(Item(element, *this, index++));
  }
  template <class Each>
  void members(std::string_view key, Each each) const {
    const json::Value* value = find(key);
    if (value) Item(*value, *this, key).members(each);
  }
  template <class Each>
  void members(Each each) const {
    if (!check(value_.IsObject(), "an object")) return;
    for (const auto& member : value_.GetObject()) {
      const std::string_view key(member.name.GetString(), member.name.GetStringLength());
      if (!member.value.IsNull()) each(Item(member.value, *this, key), key);
    }
  }

  // The value itself.
  [[nodiscard]] std::string_view text() const { return {value_.GetString(), value_.GetStringLength()}; }
  template <std::integral Number>
  void number(Number& target, Number least, Number most) const {
    if constexpr (std::is_signed_v<Number>) {
      if (const auto number = whole(std::int64_t{least}, std::int64_t{most})) target = static_cast<Number>(*number);
    } else {
      if (const auto number = whole(std::uint64_t{least}, std::uint64_t{most})) target = static_cast<Number>(*number);
    }
  }
  [[nodiscard]] bool check(bool right, std::string_view wanted) const;  // else: must be `wanted`
  void unknown() const;                                                 // for a text: "TEXT" is unknown

 private:
  [[nodiscard]] std::optional<std::int64_t> whole(std::int64_t least, std::int64_t most) const;
  [[nodiscard]] std::optional<std::uint64_t> whole(std::uint64_t least, std::uint64_t most) const;

  const json::Value& value_;
  const Item* above_ = nullptr;
  std::string_view name_;
  std::size_t index_ = 0;
  std::optional<Error>& error_;
};

void read(const Item& item, bool& target);
void read(const Item& item, std::string& target);
void read(const Item& item, std::vector<std::pair<std::string, std::string>>& target);  // an object of texts
template <std::integral Number>
void read(const Item& item, Number& target) {
  item.number(target, std::numeric_limits<Number>::min(), std::numeric_limits<Number>::max());
}
template <class Target>
void read(const Item& item, std::optional<Target>& target) {
  read(item, target.emplace());
}
template <class Element>
void read(const Item& item, std::vector<Element>& target) {
  if (item.value().IsArray()) target.reserve(item.value().Size());
  item.elements([&](const Item& element) { read(element, target.emplace_back()); });
}

}  // namespace convox::oci
