#include "cli/app/app_name.h"

#include <fcntl.h>

#include <algorithm>
#include <cstdlib>

#include "runtime/base/fs.h"

namespace convox::app {
namespace {

constexpr std::size_t kLongest = 63;  // a label of a host name, which an app's name becomes

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

Result<std::string> from_file() {
  const auto text = fs::read(AT_FDCWD, ".convox/app", 4096);
  if (text) return std::string(trimmed(*text));
  if (text.error().code == ENOENT || text.error().code == ENOTDIR) return std::string();
  return text.error();
}

Result<std::string> from_directory() {
  char path[4096];
  TRY(check(sys::getcwd(path, sizeof path), "getcwd", ""));
  std::string name(path);
  name.erase(0, name.rfind('/') + 1);
  std::ranges::transform(name, name.begin(), [](char c) {
    return c == '.' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return name;
}

}  // namespace

bool is_name(std::string_view name) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return !name.empty() && name.size() <= kLongest && is_letter(name[0]) &&
         std::ranges::all_of(name, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-'; });
}

Result<> check_app_name(std::string_view name) {
  if (is_name(name)) return ok();
  return invalid(cat("app name ", name, " invalid, must contain only lowercase alphanumeric and dashes"));
}

Result<std::string> app_name(std::optional<std::string_view> option) {
  std::string name(option.value_or(""));
  if (const char* given = std::getenv("CONVOX_APP"); name.empty() && given) name = given;
  if (name.empty()) name = TRY(from_file());
  if (name.empty()) name = TRY(from_directory());
  // Whatever it came from: it becomes a directory's name.
  auto fits = check_app_name(name);
  if (!fits) return std::move(fits).error().advise("name the app with --app");
  return name;
}

Result<std::string> rack_name() {
  const std::string name = TRY(fs::read(AT_FDCWD, "/proc/sys/kernel/hostname", 256));
  const std::string_view host = trimmed(name);
  return std::string(host.empty() ? "local" : host);
}

}  // namespace convox::app
