#include "cli/progress.h"

#include <unistd.h>

#include "cli/output.h"
#include "cli/text.h"
#include "runtime/base/fs.h"

namespace convox::cli {
namespace {

Result<> put(Progress::Where where, std::string_view text) {
  if (where == Progress::Where::kOutput) return print(text);
  print_error(text);
  return ok();
}

}  // namespace

Result<> Progress::begin(std::string_view deed) const { return put(where_, cat(escaped(deed), "... ")); }

Result<> Progress::done(std::string_view result) const {
  const std::string tail = result.empty() ? "" : cat(", ", escaped(result));
  return put(where_, cat(paint(Colour::kOk, "OK"), tail, "\n"));
}

Result<> Progress::line(std::string_view text) const { return put(where_, cat(escaped(text), "\n")); }

}  // namespace convox::cli
