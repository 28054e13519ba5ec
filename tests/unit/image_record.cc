// What an image record says must survive the disk, and what it may not say must not come back from there.
#include "rootfs/image_record.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

using namespace convox;
using rootfs::Image;

namespace {

Image sample() {
  Image image;
  image.id = std::string(64, 'a');
  image.layers = {std::string(64, '1'), std::string(64, '2')};
  image.size = 5'000'000'000;
  image.created = "2026-01-02T03:04:05Z";
  image.architecture = "amd64";
  image.config.env = {"PATH=/bin", "EMPTY=", "QUOTED=\"\\\n\x01"};
  image.config.entrypoint = {"/init", ""};
  image.config.cmd = {"serve"};
  image.config.working_dir = "/srv";
  image.config.user = "web:web";
  image.config.stop_signal = "SIGRTMIN+3";
  image.config.volumes = {"/data"};
  return image;
}

bool accepted(void (*change)(Image&)) {
  Image image = sample();
  change(image);
  return rootfs::parse_image(rootfs::print(image), "record").has_value();
}

}  // namespace

Test(image_record, comes_back_as_it_was_written) {
  const Image before = sample();
  const auto after = rootfs::parse_image(rootfs::print(before), "record");
  cr_assert(after.has_value(), "%s", after.error().text.c_str());
  cr_assert(after->id == before.id && after->layers == before.layers && after->size == before.size);
  cr_assert(after->created == before.created && after->architecture == before.architecture);
  cr_assert(after->config.env == before.config.env && after->config.cmd == before.config.cmd);
  cr_assert(after->config.entrypoint == before.config.entrypoint && after->config.volumes == before.config.volumes);
  cr_assert(after->config.working_dir == before.config.working_dir && after->config.user == before.config.user);
  cr_assert(after->config.stop_signal == before.config.stop_signal);
}

Test(image_record, refuses_what_would_be_misread_later) {
  cr_assert(accepted([](Image&) {}));
  const struct {
    const char* what;
    void (*change)(Image&);
  } cases[] = {
      {"an id that is a path", [](Image& i) { i.id = "../../etc/passwd"; }},
      {"an id in capitals", [](Image& i) { i.id = std::string(64, 'A'); }},
      {"a layer that is a path", [](Image& i) { i.layers[1] = std::string(61, '1') + "/.."; }},
      {"a bare key in Env", [](Image& i) { i.config.env = {"HOME"}; }},
      {"no key in Env", [](Image& i) { i.config.env = {"=x"}; }},
      {"too many entries", [](Image& i) { i.config.env.assign(4097, "A=1"); }},
      {"too many bytes", [](Image& i) { i.config.env = {"A=" + std::string(128UL * 1024, 'x')}; }},
      {"a relative volume", [](Image& i) { i.config.volumes = {"data"}; }},
      {"a volume above the root", [](Image& i) { i.config.volumes = {"/data/../.."}; }},
      {"a volume on the root", [](Image& i) { i.config.volumes = {"//"}; }},
      {"a relative working directory", [](Image& i) { i.config.working_dir = "srv"; }},
      {"a signal that is a sentence", [](Image& i) { i.config.stop_signal = "SIG TERM"; }},
      {"a NUL", [](Image& i) { i.config.cmd = {std::string("a\0b", 3)}; }},
  };
  for (const auto& one : cases) cr_expect(accepted(one.change) == false, "accepted: %s", one.what);
}
