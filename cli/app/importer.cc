#include "cli/app/importer.h"

#include <algorithm>

#include "rootfs/image_record.h"
#include "runtime/base/json.h"
#include "runtime/base/process.h"

namespace convox::app {
namespace {

constexpr const char* kProgram = "convox-image";
constexpr int kLongestImport = 3600;  // seconds, as Convox gives a build

std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> found;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) found.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return found;
}

}  // namespace

Result<ImportedImage> import_image(const std::string& root, const std::string& base, std::string_view reference) {
  const std::string doing = cat("importing ", reference);
  const Program program{
      .path = helper_path(kProgram),
      .arguments = {kProgram, "import", "--root", root, "--base", base, std::string(reference)},
      .environment = {"LC_ALL=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
      .seconds = kLongestImport,
  };
  const Finished finished = TRY(run_program(program), doing);
  std::vector<std::string> said = lines(finished.errors);
  if (finished.status > 128)
    return invalid(cat(doing, ": ", kProgram, " was killed by signal ", finished.status - 128));
  // Its last line is the whole error, deed and object included.
  if (finished.status != 0)
    return invalid(said.empty() ? cat(doing, ": ", kProgram, " ended with status ", finished.status) : said.back());
  const json::Document answer = TRY(json::parse(finished.output, kProgram), doing);
  auto id = TRY(json::string(answer, "image"), doing);
  if (!id || !rootfs::is_hex_digest(*id)) return invalid(cat(doing, ": ", kProgram, " did not name an image"));
  return ImportedImage{*std::move(id), std::move(said)};
}

}  // namespace convox::app
