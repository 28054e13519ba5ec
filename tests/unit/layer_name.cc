// What a name in an archive means is decided here and nowhere else.
#include "rootfs/image/layer_name.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

using convox::rootfs::LayerName;
using convox::rootfs::parse_layer_name;
using Kind = LayerName::Kind;

namespace {

std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

}  // namespace

Test(layer_name, is_a_path_below_the_root_or_a_mark) {
  const struct {
    const char* name;
    Kind kind;
    const char* path;
  } cases[] = {
      {"a/b", Kind::kPath, "a/b"},
      {"./a//b/", Kind::kPath, "a/b"},
      {"/etc/passwd", Kind::kPath, "etc/passwd"},
      {"...", Kind::kPath, "..."},
      {"a\nb", Kind::kPath, "a\nb"},
      {".", Kind::kRoot, ""},
      {"./", Kind::kRoot, ""},
      {"/.", Kind::kRoot, ""},
      {"//", Kind::kRoot, ""},
      {"a/.wh.b", Kind::kWhiteout, "a/b"},
      {".wh.b", Kind::kWhiteout, "b"},
      {"a/.wh..b", Kind::kWhiteout, "a/.b"},
      {"a/.wh....", Kind::kWhiteout, "a/..."},
      {"a/.wh..wh..opq", Kind::kOpaque, "a"},
      {".wh..wh..opq", Kind::kOpaque, ""},
      {".wh..wh.plnk/1.2", Kind::kIgnored, ""},
      {"a/.wh..wh.aufs", Kind::kIgnored, ""},
      {"a/x.wh.b", Kind::kPath, "a/x.wh.b"},
  };
  for (const auto& one : cases) {
    const auto parsed = parse_layer_name(one.name);
    cr_expect(parsed && parsed->kind == one.kind && parsed->path == one.path, "%s", one.name);
  }
}

Test(layer_name, never_leads_out_or_past_the_limits) {
  const std::string cases[] = {
      "",
      "..",
      "../a",
      "a/../b",
      "a/..",
      "/..",
      ".wh..wh..opq/..",
      std::string("a\0b", 3),
      ".wh.",
      "a/.wh.",
      ".wh..",
      ".wh...",
      ".wh.a/b",
      "a/.wh..wh..opq/b",
      std::string(256, 'n'),
      repeated("d/", 1025),
      repeated("0123456789/", 400),
  };
  for (const auto& name : cases) cr_expect(not parse_layer_name(name).has_value(), "accepted: %.40s", name.c_str());
  cr_expect(parse_layer_name(std::string(255, 'n')).has_value());
  cr_expect(parse_layer_name(repeated("d/", 1024)).has_value());
}
