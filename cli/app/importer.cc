#include "cli/app/importer.h"

#include <fcntl.h>
#include <unistd.h>

#include "rootfs/image_record.h"
#include "runtime/base/json.h"
#include "runtime/base/process.h"

#ifndef CONVOX_LIBEXEC
#define CONVOX_LIBEXEC "/usr/local/libexec/convox"
#endif

namespace convox::app {
namespace {

constexpr const char* kProgram = "convox-image";
constexpr int kLongestImport = 3600;  // seconds, as Convox gives a build

// Beside the running program in the build tree, else where `make install` puts helpers. In this order, because a build
// tree must not use the helper of an older convox that is installed; and whoever can write beside convox could replace
// convox itself.
std::string helper() {
  char self[4096];
  const long size = sys::readlinkat(AT_FDCWD, "/proc/self/exe", self, sizeof self);
  if (size > 0 && static_cast<std::size_t>(size) < sizeof self) {
    const std::string_view path(self, static_cast<std::size_t>(size));
    const std::string beside = cat(path.substr(0, path.rfind('/') + 1), kProgram);
    if (sys::faccessat2(AT_FDCWD, beside.c_str(), X_OK, AT_EACCESS) == 0) return beside;
  }
  return cat(CONVOX_LIBEXEC, "/", kProgram);
}

// The helper's one line, without what names it again.
std::string_view complaint(std::string_view errors) {
  for (const std::string_view prefix : {"convox-image: ", "ERROR: "})
    if (errors.starts_with(prefix)) errors.remove_prefix(prefix.size());
  return errors.substr(0, errors.find('\n'));
}

}  // namespace

Result<std::string> import_image(const std::string& root, const std::string& base, std::string_view reference) {
  const std::string doing = cat("importing ", reference);
  const Program program{
      .path = helper(),
      .arguments = {kProgram, "import", "--root", root, "--base", base, "--", std::string(reference)},
      .environment = {"LC_ALL=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
      .seconds = kLongestImport,
  };
  const Finished finished = TRY(run_program(program), doing);
  if (finished.status > 128)
    return invalid(cat(doing, ": ", kProgram, " was killed by signal ", finished.status - 128));
  if (finished.status != 0) {
    const std::string_view cause = complaint(finished.errors);
    return invalid(cat(doing, ": ", cause.empty() ? cat(kProgram, " failed with status ", finished.status) : cause));
  }
  const json::Document answer = TRY(json::parse(finished.output, kProgram), doing);
  const auto id = TRY(json::string(answer, "image"), doing);
  if (!id || !rootfs::is_hex_digest(*id)) return invalid(cat(doing, ": ", kProgram, " did not name an image"));
  return *id;
}

}  // namespace convox::app
