#include "runtime/oci/item.h"

namespace convox::oci {

std::string Item::place() const {
  if (!above_) return std::string(name_);
  std::string place = above_->place();
  if (name_.data() == nullptr) return cat(place, "[", index_, "]");
  return place.empty() ? std::string(name_) : cat(place, ".", name_);
}

void Item::fail(std::string_view what) const {
  if (error_) return;
  const std::string where = place();
  error_ = invalid(where.empty() ? std::string(what) : cat(where, ": ", what));
}

Result<> Item::result() const {
  if (error_) return std::move(*error_);
  return ok();
}

bool Item::check(bool right, std::string_view wanted) const {
  if (!right) fail(cat("must be ", wanted));
  return right;
}

void Item::unknown() const { fail(cat("\"", text(), "\" is unknown")); }

std::optional<std::int64_t> Item::whole(std::int64_t least, std::int64_t most) const {
  if (!check(value_.IsNumber(), "a number")) return {};
  if (value_.IsInt64() && value_.GetInt64() >= least && value_.GetInt64() <= most) return value_.GetInt64();
  fail(cat("must be a whole number from ", least, " to ", most));
  return {};
}

std::optional<std::uint64_t> Item::whole(std::uint64_t least, std::uint64_t most) const {
  if (!check(value_.IsNumber(), "a number")) return {};
  if (value_.IsUint64() && value_.GetUint64() >= least && value_.GetUint64() <= most) return value_.GetUint64();
  fail(cat("must be a whole number from ", least, " to ", most));
  return {};
}

const json::Value* Item::find(std::string_view key) const {
  if (failed() || !check(value_.IsObject(), "an object")) return nullptr;
  for (const auto& member : value_.GetObject()) {
    const std::string_view name(member.name.GetString(), member.name.GetStringLength());
    if (name == key) return member.value.IsNull() ? nullptr : &member.value;
  }
  return nullptr;
}

void read(const Item& item, bool& target) {
  if (item.check(item.value().IsBool(), "true or false")) target = item.value().GetBool();
}

void read(const Item& item, std::string& target) {
  if (item.check(item.value().IsString(), "a string")) target = item.text();
}

void read(const Item& item, std::vector<std::pair<std::string, std::string>>& target) {
  if (item.value().IsObject()) target.reserve(item.value().MemberCount());
  item.members([&](const Item& value, std::string_view key) {
    std::string text;
    read(value, text);
    target.emplace_back(key, std::move(text));
  });
}

}  // namespace convox::oci
