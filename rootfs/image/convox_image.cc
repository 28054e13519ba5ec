// convox-image: the program that brings images into the store. The only one that reads archives; `convox run` of an
// image that is there never starts it.
//
//   convox-image import --root DIR [--base DIR] [--progress] REF
//
// On success one line of JSON on stdout and status 0. Else one line on stderr, for convox to print after `ERROR: `, and
// status 1. Warnings go to stderr as they come, progress too if it is asked for. Read next: import.h.
#include <cstring>

#include "rootfs/image/confine.h"
#include "rootfs/image/import.h"
#include "rootfs/image/interrupt.h"
#include "runtime/base/fs.h"
#include "runtime/base/json.h"

namespace convox::rootfs {
namespace {

struct Arguments {
  std::string root, base, reference;
  bool progress = false;
};

Result<Arguments> parse_arguments(int argc, char** argv) {
  constexpr const char* kUsage = "usage: convox-image import --root DIR [--base DIR] [--progress] REF";
  if (argc < 2 || std::strcmp(argv[1], "import") != 0) return invalid(kUsage);
  Arguments arguments;
  for (int at = 2; at < argc; ++at) {
    const std::string_view word = argv[at];
    std::string* value = word == "--root" ? &arguments.root : word == "--base" ? &arguments.base : nullptr;
    if (value && at + 1 < argc)
      *value = argv[++at];
    else if (word == "--progress")
      arguments.progress = true;
    else if (!word.starts_with("--") && arguments.reference.empty())
      arguments.reference = word;
    else
      return invalid(kUsage);
  }
  if (arguments.root.empty() || arguments.reference.empty()) return invalid(kUsage);
  return arguments;
}

// One line whatever the names in it hold: a terminal must not be steered by an archive.
void say(std::string_view text) {
  std::string line(text);
  for (char& character : line)
    if (static_cast<unsigned char>(character) < 0x20 || character == 0x7f) character = '?';
  (void)fs::write_all(2, cat(line, '\n'), "stderr").has_value();  // nobody is left to be told
}

std::string print_result(const Imported& imported) {
  json::Buffer buffer;
  json::Writer writer(buffer);
  writer.StartObject();
  writer.Key("image");
  json::write(writer, imported.image.id);
  writer.Key("size");
  writer.Uint64(imported.image.size);
  writer.Key("layers");
  writer.StartArray();
  for (const std::string& layer : imported.image.layers) json::write(writer, layer);
  writer.EndArray();
  writer.Key("reused");
  writer.Uint64(imported.reused);
  writer.EndObject();
  return cat(std::string_view(buffer.GetString(), buffer.GetSize()), '\n');
}

Result<> run(int argc, char** argv) {
  const Arguments arguments = TRY(parse_arguments(argc, argv));
  const std::string deed = cat("importing ", arguments.reference);
  const Reference reference = TRY(parse_reference(arguments.reference, arguments.base), deed);
  TRY(confine(), deed);
  note_interrupts();
  const Store store = TRY(Store::open(arguments.root), deed);
  Listener listener;
  listener.warn = [](std::string_view text) { say(cat("WARNING: ", text)); };
  listener.progress = [&](std::string_view text) {
    if (arguments.progress) say(text);
  };
  const Imported imported = TRY(import_image(store, reference, listener), deed);
  return fs::write_all(1, print_result(imported), "stdout");
}

}  // namespace
}  // namespace convox::rootfs

int main(int argc, char** argv) {
  const auto done = convox::rootfs::run(argc, argv);
  if (done) return 0;
  convox::rootfs::say(done.error().text);
  return 1;
}
