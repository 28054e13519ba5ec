#include "cli/app_output.h"

#include "cli/app/app_name.h"
#include "cli/app/deploy.h"
#include "cli/output.h"

namespace convox::cli {

Result<app::App> find_app(const Invocation& invocation) {
  const std::string name = TRY(app::app_name(invocation.value("app")));
  return app::AppStore(invocation.globals.root).find(name);
}

Result<app::App> find_or_create_app(const Invocation& invocation) {
  const std::string name = TRY(app::app_name(invocation.value("app")));
  return app::AppStore(invocation.globals.root).find_or_create(name);
}

Progress progress_of(const Invocation& invocation) {
  return Progress(invocation.flag("id") ? Progress::Where::kError : Progress::Where::kOutput);
}

Result<> print_id(const Invocation& invocation, const std::string& id) {
  return invocation.flag("id") ? print(id) : ok();
}

Result<> promote_aloud(const app::App& app, const app::Release& release, const Progress& progress) {
  TRY(progress.begin(cat("Promoting ", release.id)));
  TRY(app::promote(app, release));
  TRY(progress.line(""));
  return progress.done();
}

void warn_about(const app::Manifest& manifest, const std::string& path) {
  for (const app::Warning& warning : manifest.warnings) warn(cat(path, ": line ", warning.line, ": ", warning.text));
}

Result<std::size_t> limit_of(const Invocation& invocation) {
  const auto limit = TRY(invocation.number("limit"));
  if (limit && *limit < 1) return invalid("--limit must be >= 1");
  return static_cast<std::size_t>(limit.value_or(10));
}

}  // namespace convox::cli
