#include "runtime/systemd/property.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>

namespace convox::systemd {
namespace {

using Kind = Variant::Kind;

constexpr int kDepth = 16;

struct Keyword {
  std::string_view word;
  char type;
};
constexpr Keyword kKeywords[] = {{"boolean", 'b'}, {"byte", 'y'},   {"int16", 'n'},      {"uint16", 'q'},
                                 {"int32", 'i'},   {"uint32", 'u'}, {"int64", 'x'},      {"uint64", 't'},
                                 {"double", 'd'},  {"string", 's'}, {"objectpath", 'o'}, {"signature", 'g'}};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_basic(char c) { return std::string_view("bynqiuxtdsog").find(c) != std::string_view::npos; }

// How long the first complete type of a signature is; 0 if there is none.
std::size_t type_length(std::string_view signature, int depth = 0) {
  if (signature.empty() || depth > kDepth) return 0;
  if (is_basic(signature[0])) return 1;
  if (signature[0] == 'a') {
    const std::size_t element = type_length(signature.substr(1), depth + 1);
    return element == 0 ? 0 : element + 1;
  }
  if (signature[0] != '(') return 0;
  std::size_t at = 1;
  while (at < signature.size() && signature[at] != ')') {
    const std::size_t member = type_length(signature.substr(at), depth + 1);
    if (member == 0) return 0;
    at += member;
  }
  return at > 1 && at < signature.size() ? at + 1 : 0;
}

// --- text to a tree; types only where the text has them -------------------------------------------------------------
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Result<Variant> whole() {
    Variant value = TRY(parse(0));
    skip_space();
    if (!rest_.empty()) return invalid(cat("unexpected `", rest_, "`"));
    return value;
  }

 private:
  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n"), rest_.size())); }
  bool take(char c) {
    skip_space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  template <class Belongs>
  std::string_view take_while(Belongs belongs) {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), belongs);
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  Result<Variant> parse(int depth) {
    if (depth > kDepth) return invalid("nested too deeply");
    skip_space();
    if (rest_.empty()) return invalid("a value is missing");
    const char first = rest_[0];
    if (take('@')) return typed(take_while([](char c) { return c != ' '; }), depth);
    if (take('[')) return list(Kind::kArray, ']', depth);
    if (take('(')) return list(Kind::kTuple, ')', depth);
    if (first == '\'' || first == '"') return string();
    if (is_letter(first)) return word(depth);
    return number();
  }

  Result<Variant> typed(std::string_view type, int depth) {
    if (type.empty() || type_length(type) != type.size()) return invalid(cat("`", type, "` is no type"));
    Variant value = TRY(parse(depth + 1));
    value.type = type;
    return value;
  }

  Result<Variant> word(int depth) {
    const std::string_view word = take_while([](char c) { return is_letter(c) || is_digit(c); });
    if (word == "true" || word == "false") return Variant{.kind = Kind::kBoolean, .truth = word == "true"};
    for (const Keyword& keyword : kKeywords)
      if (keyword.word == word) return typed(std::string_view(&keyword.type, 1), depth);
    return invalid(cat("`", word, "` is no value"));
  }

  Result<Variant> number() {
    const std::string_view digits =
        take_while([](char c) { return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.'; });
    if (digits.empty()) return invalid(cat("`", rest_, "` is no value"));
    return Variant{.kind = Kind::kNumber, .text = std::string(digits)};
  }

  Result<Variant> string() {
    constexpr std::string_view kEscapes = "abfnrtv\\'\"", kMeanings = "\a\b\f\n\r\t\v\\'\"";
    const char quote = rest_[0];
    Variant value{.kind = Kind::kText};
    for (std::size_t at = 1; at < rest_.size(); ++at) {
      char c = rest_[at];
      if (c == quote) {
        rest_.remove_prefix(at + 1);
        return value;
      }
      if (c == '\\') {
        const std::size_t escape = ++at < rest_.size() ? kEscapes.find(rest_[at]) : std::string_view::npos;
        if (escape == std::string_view::npos) return invalid("a string has an escape that is not known");
        c = kMeanings[escape];
      }
      value.text += c;
    }
    return invalid("a string has no end");
  }

  Result<Variant> list(Kind kind, char end, int depth) {
    Variant value{.kind = kind};
    while (!take(end)) {
      if (!value.values.empty() && !take(',')) return invalid(cat("`,` or `", end, "` is missing"));
      if (kind == Kind::kTuple && value.values.size() == 1 && take(end)) break;  // (1,) has one member
      value.values.push_back(TRY(parse(depth + 1)));
    }
    return value;
  }

  std::string_view rest_;
};

// --- every value its type
// ----------------------------------------------------------------------------------------------
template <class Number>
bool fits(std::string_view digits) {
  int base = 10;
  if (digits.starts_with("0x")) {
    digits.remove_prefix(2);
    base = 16;
  }
  Number value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  return error == std::errc{} && end == digits.data() + digits.size();
}

bool fits(std::string_view digits, char type) {
  switch (type) {
    case 'y':
      return fits<std::uint8_t>(digits);
    case 'n':
      return fits<std::int16_t>(digits);
    case 'q':
      return fits<std::uint16_t>(digits);
    case 'i':
      return fits<std::int32_t>(digits);
    case 'u':
      return fits<std::uint32_t>(digits);
    case 'x':
      return fits<std::int64_t>(digits);
    case 't':
      return fits<std::uint64_t>(digits);
    case 'd': {
      double value = 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
      return error == std::errc{} && end == digits.data() + digits.size();
    }
    default:
      return false;
  }
}

// The type that the text itself gives a value; empty where it leaves that open, as for a bare number.
std::string known_type(const Variant& value) {
  if (!value.type.empty()) return value.type;
  std::string members;
  switch (value.kind) {
    case Kind::kBoolean:
      return "b";
    case Kind::kText:
      return "s";
    case Kind::kNumber:
      return {};
    case Kind::kArray:
      for (const Variant& one : value.values)
        if (const std::string element = known_type(one); !element.empty()) return "a" + element;
      return {};
    case Kind::kTuple:
      for (const Variant& one : value.values) {
        const std::string member = known_type(one);
        if (member.empty()) return {};
        members += member;
      }
      return members.empty() ? "" : cat("(", members, ")");
  }
  return {};
}

// And where it is open: numbers are int32 or double.
std::string default_type(const Variant& value) {
  if (std::string known = known_type(value); !known.empty()) return known;
  if (value.kind == Kind::kNumber) {
    const bool hex = value.text.starts_with("0x");
    return !hex && value.text.find_first_of(".eE") != std::string::npos ? "d" : "i";
  }
  std::string members;
  for (const Variant& one : value.values) {
    members += default_type(one);
    if (value.kind == Kind::kArray) return members.empty() ? "" : "a" + members;
  }
  return value.kind == Kind::kArray || members.empty() ? "" : cat("(", members, ")");
}

Result<> settle(Variant& value, std::string_view type) {
  const auto mismatch = [&] { return invalid(cat("a value does not have the type ", type)); };
  if (type.empty()) return invalid("an empty list without a type: @as []");
  if (!value.type.empty() && value.type != type) return mismatch();
  value.type = type;
  switch (value.kind) {
    case Kind::kBoolean:
      return type == "b" ? ok() : Result<>(mismatch());
    case Kind::kText:
      return type == "s" || type == "o" || type == "g" ? ok() : Result<>(mismatch());
    case Kind::kNumber:
      if (type.size() != 1 || !fits(value.text, type[0]))
        return invalid(cat(value.text, " is no value of the type ", type));
      return ok();
    case Kind::kArray:
      if (type[0] != 'a') return mismatch();
      for (Variant& one : value.values) TRY(settle(one, type.substr(1)));
      return ok();
    case Kind::kTuple:
      break;
  }
  if (type[0] != '(') return mismatch();
  type = type.substr(1, type.size() - 2);
  for (Variant& one : value.values) {
    const std::size_t length = type_length(type);
    if (length == 0) return mismatch();
    TRY(settle(one, type.substr(0, length)));
    type.remove_prefix(length);
  }
  return type.empty() ? ok() : Result<>(mismatch());
}

// Seconds as the bus wants them.
Result<Variant> microseconds(const Variant& seconds) {
  double value = 0;
  const char* end = seconds.text.data() + seconds.text.size();
  const bool good = seconds.kind == Kind::kNumber && std::from_chars(seconds.text.data(), end, value).ptr == end &&
                    value >= 0 && value < 1e12;
  if (!good) return invalid("is not a number of seconds");
  return Variant{.kind = Kind::kNumber, .type = "t", .text = cat(static_cast<std::uint64_t>(value * 1e6))};
}

}  // namespace

Result<Variant> parse_variant(std::string_view text) {
  Variant value = TRY(Parser(text).whole());
  const std::string type = default_type(value);
  TRY(settle(value, type));
  return value;
}

Result<Property> parse_property(std::string_view line) {
  constexpr std::string_view kSeconds = "Sec";
  const std::size_t equals = std::min(line.find('='), line.size());
  Property property{std::string(line.substr(0, equals)), {}};
  std::string& name = property.name;
  if (name.size() < 3 || !std::all_of(name.begin(), name.end(), is_letter))
    return invalid(cat("`", name, "` is no property of a unit"));
  if (equals == line.size()) return invalid(cat(name, " has no value"));
  property.value = TRY(parse_variant(line.substr(equals + 1)), "property ", name);
  const bool unit_file =
      name.size() > kSeconds.size() && name.ends_with(kSeconds) && name[name.size() - kSeconds.size() - 1] >= 'a';
  if (!unit_file) return property;
  property.value = TRY(microseconds(property.value), "property ", name);
  name.insert(name.size() - kSeconds.size(), "U");
  return property;
}

}  // namespace convox::systemd
