#include "cli/log_view.h"

#include "cli/text.h"
#include "cli/times.h"
#include "runtime/base/json.h"

namespace convox::cli {
namespace {

using runtime::Lines;
using runtime::LogStream;
using runtime::Origin;

constexpr char32_t kEscape = 0x1b, kBell = 0x07, kStringEnd = 0x9c;

std::string base64(std::string_view bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (; !bytes.empty(); bytes.remove_prefix(std::min<std::size_t>(bytes.size(), 3))) {
    std::uint32_t three = 0;
    for (std::size_t at = 0; at < 3; ++at)
      three = three << 8 | (at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0u);
    for (std::size_t at = 0; at < 4; ++at) text += at <= bytes.size() ? digits[(three >> (18 - 6 * at)) & 63] : '=';
  }
  return text;
}

// With U+FFFD for each byte that belongs to no character.
std::string replaced(std::string_view text) {
  std::string made;
  while (!text.empty()) {
    const std::size_t size = first_character(text).size;
    made += size ? text.substr(0, size) : "\xef\xbf\xbd";
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return made;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = static_cast<signed char>(text[0]) >= 0 ? 1 : first_character(text).size;
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string quoted(std::string_view text) {
  json::Buffer buffer;
  json::Writer writer(buffer);
  json::write(writer, text);
  return {buffer.GetString(), buffer.GetSize()};
}

// What stands between a line's prefix and its end.
std::string json_text(std::string_view line) {
  if (is_utf8(line)) return cat(quoted(line), "}");
  return cat(quoted(replaced(line)), ",\"base64\":\"", base64(line), "\"}");
}

std::string_view name(LogStream stream) {
  constexpr std::string_view names[] = {"output", "error", "system"};
  return names[static_cast<std::size_t>(stream)];
}

// --- for terminals: ECMA-48, ctlseqs of xterm ------------------------------------------------------------------------

// A character, or a byte that belongs to none: a terminal that does not know UTF-8 takes it for one. C1 controls are
// those of 0x80 to 0x9f, said in either way.
char32_t take_character(std::string_view& text, std::string_view& bytes) {
  auto [code, size] = first_character(text);
  if (size == 0) code = static_cast<unsigned char>(text[0]);
  bytes = text.substr(0, std::max<std::size_t>(size, 1));
  text.remove_prefix(bytes.size());
  return code;
}

// Behind "ESC [": parameters, intermediates and a final character. The whole of it if it is well-formed.
std::string_view take_control_sequence(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && text[end] >= 0x20 && text[end] <= 0x3f) ++end;
  const bool whole = end < text.size() && text[end] >= 0x40 && text[end] <= 0x7e;
  const std::string_view sequence = whole ? text.substr(0, end + 1) : std::string_view();
  text.remove_prefix(end + whole);
  return sequence;
}

// Behind the beginning of OSC, DCS, SOS, PM or APC: all up to ST (ESC \) or BEL, or to the end of the line.
void drop_string(std::string_view& text) {
  std::string_view bytes;
  while (!text.empty()) {
    const char32_t code = take_character(text, bytes);
    if (code == kBell || code == kStringEnd) return;
    if (code == kEscape && text.starts_with('\\')) return text.remove_prefix(1);
  }
}

bool begins_string(char32_t final) {
  return final == 'P' || final == 'X' || final == ']' || final == '^' || final == '_';
}

// Only digits and separators, and then `m`: no private modes (`ESC [ > 4 m`).
bool is_sgr(std::string_view sequence) {
  return sequence.ends_with('m') && sequence.find_first_not_of("0123456789;:") == sequence.size() - 1;
}

// One escape sequence, `final` being what stands behind ESC. What of it may be shown.
std::string escape_sequence(char32_t final, std::string_view& text) {
  if (final == '[') {
    const std::string_view sequence = take_control_sequence(text);
    return is_sgr(sequence) ? cat("\x1b[", sequence) : std::string();
  }
  if (begins_string(final)) drop_string(text);
  // ESC, intermediates, final: "ESC ( B" chooses a character set.
  while (final >= 0x20 && final <= 0x2f && !text.empty()) {
    final = static_cast<unsigned char>(text[0]);
    text.remove_prefix(1);
  }
  return {};
}

}  // namespace

std::string safe_for_terminal(std::string_view line) {
  constexpr char32_t kFirstC1 = 0x80, kLastC1 = 0x9f, kC1ToFinal = 0x40;  // 0x9b is "ESC [", and so on
  std::string shown;
  bool coloured = false;
  while (!line.empty()) {
    std::string_view bytes;
    const char32_t code = take_character(line, bytes);
    if ((code == kEscape && !line.empty()) || (code >= kFirstC1 && code <= kLastC1)) {
      char32_t final = code - kC1ToFinal;
      if (code == kEscape) {
        final = static_cast<unsigned char>(line[0]);
        line.remove_prefix(1);
      }
      const std::string sequence = escape_sequence(final, line);
      coloured |= !sequence.empty();
      shown += sequence;
    } else if (code == '\r') {
      if (!line.empty()) shown += ' ';  // it would begin anew where our own words stand
    } else if (code == '\t' || (code >= 0x20 && code != 0x7f)) {
      shown += bytes.size() == 1 && code >= 0x80 ? std::string_view("\xef\xbf\xbd") : bytes;
    }
  }
  return coloured ? cat(shown, "\x1b[0m") : shown;
}

void LogView::begin(const Origin& origin, const Lines& lines) {
  const bool fine = style_.json || style_.nanoseconds;
  const std::int64_t time = fine ? lines.time : lines.time / kSecond;
  if (origin_ == &origin && stream_ == lines.stream && time_ == time) return;
  origin_ = &origin;
  stream_ = lines.stream;
  time_ = time;
  const std::string stamp = fine ? rfc3339_nano(lines.time) : rfc3339(lines.time);
  if (style_.json)
    prefix_ = cat("{\"time\":\"", stamp, "\",\"app\":", quoted(origin.app), ",\"service\":", quoted(origin.service),
                  ",\"process\":", quoted(origin.id), ",\"stream\":\"", name(lines.stream), "\",\"text\":");
  else if (lines.stream == LogStream::kSystem)
    prefix_ = cat(stamp, " system/convox/", origin.service, " ");
  else
    prefix_ = cat(stamp, " service/", origin.service, "/", origin.id, " ");
}

Result<> LogView::write(const Origin& origin, const Lines& lines) {
  begin(origin, lines);
  std::string_view text = lines.text;
  for (bool more = true; more;) {
    const void* newline = std::memchr(text.data(), '\n', text.size());
    more = newline != nullptr;
    const std::size_t end =
        more ? static_cast<std::size_t>(static_cast<const char*>(newline) - text.data()) : text.size();
    const std::string_view line = text.substr(0, end);
    const bool put = style_.json       ? output_.put(prefix_, json_text(line))
                     : style_.terminal ? output_.put(prefix_, safe_for_terminal(line))
                                       : output_.put(prefix_, line);
    if (!put) return output_.flush();
    if (more) text.remove_prefix(end + 1);
  }
  return ok();
}

}  // namespace convox::cli
