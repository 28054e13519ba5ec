#include "rootfs/image/layer_name.h"

#include <algorithm>

namespace convox::rootfs {
namespace {

constexpr std::size_t kPath = 4095, kComponent = 255, kDepth = 1024;
constexpr std::string_view kWhiteout = ".wh.", kOpaque = ".wh..wh..opq", kAufs = ".wh..wh.";

}  // namespace

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view last_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

Result<LayerName> parse_layer_name(std::string_view name) {
  const auto refuse = [&](std::string_view why) { return invalid(cat("\"", name.substr(0, 200), "\": ", why)); };
  if (name.empty()) return refuse("an empty name");
  if (name.size() > kPath) return refuse("a path longer than 4095 bytes");
  if (name.find('\0') != std::string_view::npos) return refuse("a NUL in a name");
  LayerName parsed;
  std::size_t depth = 0;
  bool aufs = false;
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    const std::string_view component = name.substr(at, end - at);
    at = end + 1;
    if (component.empty() || component == ".") continue;
    if (component == "..") return refuse("\"..\" in a path");
    if (component.size() > kComponent) return refuse("a component longer than 255 bytes");
    if (++depth > kDepth) return refuse("deeper than 1024 directories");
    // A mark is the last component: nothing can lie below what is gone.
    if (last_of(parsed.path).starts_with(kWhiteout) && !aufs) return refuse("something below a whiteout");
    aufs |= component.starts_with(kAufs) && component != kOpaque;
    if (!parsed.path.empty()) parsed.path += '/';
    parsed.path += component;
  }
  if (aufs) return LayerName{LayerName::Kind::kIgnored, {}};
  if (parsed.path.empty()) return LayerName{LayerName::Kind::kRoot, {}};
  const std::string last(last_of(parsed.path));
  if (!last.starts_with(kWhiteout)) return parsed;
  parsed.path.resize(parent_of(parsed.path).size());
  if (last == kOpaque) return LayerName{LayerName::Kind::kOpaque, std::move(parsed.path)};
  const std::string gone = last.substr(kWhiteout.size());
  if (gone.empty() || gone == "." || gone == "..") return refuse("a whiteout of nothing");
  if (!parsed.path.empty()) parsed.path += '/';
  return LayerName{LayerName::Kind::kWhiteout, cat(parsed.path, gone)};
}

}  // namespace convox::rootfs
