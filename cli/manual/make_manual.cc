// Writes the manual pages and the tables of the completions, from the table of commands; run by make.
//
//   make_manual DIRECTORY     DIRECTORY/man{1/convox*.1,8/convox-oci.8}, DIRECTORY/convox.bash, DIRECTORY/_convox
#include <fcntl.h>

#include "cli/commands.h"
#include "cli/manual/completion.h"
#include "cli/manual/man_page.h"
#include "cli/manual/oci_page.h"
#include "cli/output.h"
#include "runtime/base/fs.h"

namespace convox::manual {
namespace {

Result<> write(const UniqueFd& directory, const std::string& name, const std::string& text) {
  return fs::replace(directory.get(), name, text, 0644, fs::Durable::kNo);
}

Result<> write_all(const char* path) {
  const UniqueFd directory = TRY(fs::open(path, O_RDONLY | O_DIRECTORY));
  const UniqueFd pages = TRY(fs::make_and_open_directory(directory.get(), "man1", 0755));
  TRY(write(pages, "convox.1", overview()));
  for (const cli::Command* command : cli::commands())
    TRY(write(pages, cat(page_name(*command), ".1"), man_page(*command)));
  const UniqueFd administration = TRY(fs::make_and_open_directory(directory.get(), "man8", 0755));
  TRY(write(administration, "convox-oci.8", oci_page()));
  TRY(write(directory, "convox.bash", bash_tables()));
  return write(directory, "_convox", zsh_tables());
}

}  // namespace
}  // namespace convox::manual

int main(int argc, char** argv) {
  if (argc != 2) {
    convox::cli::print_error("usage: make_manual DIRECTORY\n");
    return 2;
  }
  const auto written = convox::manual::write_all(argv[1]);
  if (written) return 0;
  convox::cli::print_error(convox::cli::error_line(written.error()));
  return 1;
}
