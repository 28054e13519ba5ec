#include "runtime/resolvers.h"

#include <fcntl.h>

#include <cerrno>

#include "runtime/base/fs.h"
#include "runtime/base/words.h"

namespace convox::runtime {
namespace {

constexpr const char* kFile = "/etc/resolv.conf";                    // a link where systemd-resolved runs
constexpr const char* kBehind = "/run/systemd/resolve/resolv.conf";  // what it asks itself
constexpr std::string_view kPublic = "nameserver 8.8.8.8\nnameserver 8.8.4.4\n";
constexpr std::size_t kLargest = 64 * 1024;

// Nothing where there is no such file.
Result<std::string> read_if_there(const char* path) {
  const auto file = fs::open(path, O_RDONLY | O_NONBLOCK);
  if (!file && file.error().code == ENOENT) return std::string();
  if (!file) return file.error();
  return fs::read_all(file->get(), path, kLargest);
}

std::string_view first_word(std::string_view& line) {
  while (line.starts_with(' ') || line.starts_with('\t')) line.remove_prefix(1);
  const std::string_view word = line.substr(0, line.find_first_of(" \t\r"));
  line.remove_prefix(word.size());
  return word;
}

// Loopback, the unspecified address, which means it too, and link-local ones: they say which of the host's links they
// are on, and none of those is in a container.
bool is_of_the_host(std::string_view address) {
  return address.starts_with("127.") || address == "::1" || address == "0.0.0.0" || address == "::" ||
         address.starts_with("fe80:") || address.find('%') != std::string_view::npos;
}

// The lines that help in a container; `found`: some name a resolver.
std::string usable_lines(std::string_view text, bool* found) {
  std::string lines;
  *found = false;
  while (!text.empty()) {
    const std::string_view line = cut(text, '\n');
    std::string_view rest = line;
    if (first_word(rest) == "nameserver") {
      if (is_of_the_host(first_word(rest))) continue;
      *found = true;
    }
    lines += cat(line, "\n");
  }
  return lines;
}

}  // namespace

std::string reachable_resolvers(std::string_view host, std::string_view behind) {
  bool found = false;
  std::string lines = usable_lines(host, &found);
  if (found) return lines;
  std::string others = usable_lines(behind, &found);
  if (found) return others;
  return lines.append(kPublic);
}

Result<std::string> read_resolvers(Resolvers which) {
  if (which == Resolvers::kNone) return std::string("# No network, no resolvers.\n");
  if (which == Resolvers::kReachable) {
    const std::string host = TRY(read_if_there(kFile));
    const std::string behind = TRY(read_if_there(kBehind));
    return reachable_resolvers(host, behind);
  }
  const UniqueFd file = TRY(fs::open(kFile, O_RDONLY));
  return fs::read_all(file.get(), kFile, kLargest);
}

}  // namespace convox::runtime
