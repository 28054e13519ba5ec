// What a user may write for an image.
#include "rootfs/image/reference.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

using namespace convox::rootfs;
using Kind = Reference::Kind;

Test(reference, names_a_kind_a_path_and_a_tag) {
  const struct {
    const char* text;
    Kind kind;
    const char *path, *tag;
  } cases[] = {
      {"oci:image", Kind::kOciLayout, "/app/image", ""},
      {"oci:/srv/image:1.0", Kind::kOciLayout, "/srv/image", "1.0"},
      {"oci-archive:a.tar:x", Kind::kOciArchive, "/app/a.tar", "x"},
      {"docker-archive:a.tar:host:5000/web:1", Kind::kDockerArchive, "/app/a.tar", "host:5000/web:1"},
      {"rootfs:with:colon", Kind::kRootfs, "/app/with:colon", ""},
  };
  for (const auto& one : cases) {
    const auto parsed = parse_reference(one.text, "/app");
    cr_expect(parsed && parsed->kind == one.kind && parsed->path == one.path && parsed->tag == one.tag, "%s", one.text);
  }
  for (const char* text : {"", "oci", "oci:", "oci:a:", "rootfs:", "debian:12", "docker://debian", "OCI:x"})
    cr_expect(not parse_reference(text, "/app").has_value(), "accepted: %s", text);
}
