#include "runtime/networks/names.h"

#include <algorithm>

#include "runtime/base/fs.h"
#include "runtime/base/words.h"
#include "runtime/networks/addresses.h"

namespace convox::networks {
namespace {

constexpr char kComment = '#';
constexpr std::size_t kLargest = kNameRecord * (kLastSlot + 2);

// A name that could end a row, or begin another, would say what it liked of any other container.
bool is_host_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  return !name.empty() && std::ranges::all_of(name, fits);
}

Result<std::string> row(std::string text) {
  if (text.size() >= kNameRow) return invalid(cat("names longer than a row: ", text));
  text.resize(kNameRow - 1, ' ');
  text += '\n';
  return text;
}

Result<> put(int file, std::string_view bytes, std::size_t at) {
  const long put = TRY(check(sys::pwrite(file, bytes.data(), bytes.size(), static_cast<long>(at)), "pwrite", "hosts"));
  if (static_cast<std::size_t>(put) != bytes.size()) return os_error("pwrite", "hosts", Errno(-28 /* ENOSPC */));
  return ok();
}

bool is_of(std::string_view row, std::string_view id) {
  if (row[0] == kComment) return false;
  cut(row, ' ');
  return cut(row, ' ') == id;
}

}  // namespace

Result<> begin_names(int file) {
  const std::string four = TRY(row("127.0.0.1 localhost"));
  const std::string six = TRY(row("::1 localhost ip6-localhost ip6-loopback"));
  return put(file, cat(four, six), 0);
}

Result<> add_names(int file, const std::string& id, const std::vector<std::string>& addresses,
                   const std::vector<std::string>& names) {
  std::string known_as = id;
  for (const std::string& name : names) {
    if (!is_host_name(name)) return invalid(cat("not a host name: ", name));
    if (name != "localhost") known_as += cat(" ", name);
  }
  std::string record;
  for (std::size_t i = 0; i < 2; ++i)
    record += TRY(row(i < addresses.size() ? cat(addresses[i], " ", known_as) : std::string(1, kComment)));
  const char switches[] = {record[0], record[kNameRow]};
  record[0] = record[kNameRow] = kComment;

  const std::string all = TRY(fs::read_all(file, "hosts", kLargest));
  std::size_t at = 0;
  while (at + kNameRecord <= all.size() && !(all[at] == kComment && all[at + kNameRow] == kComment)) at += kNameRecord;
  TRY(put(file, record, at));
  for (std::size_t i = 0; i < addresses.size(); ++i) TRY(put(file, {&switches[i], 1}, at + i * kNameRow));
  return ok();
}

Result<> remove_names(int file, const std::string& id) {
  const std::string all = TRY(fs::read_all(file, "hosts", kLargest));
  for (std::size_t at = 0; at + kNameRow <= all.size(); at += kNameRow)
    if (is_of({all.data() + at, kNameRow - 1}, id)) TRY(put(file, {&kComment, 1}, at));
  return ok();
}

}  // namespace convox::networks
