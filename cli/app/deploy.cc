#include "cli/app/deploy.h"

#include "cli/app/importer.h"
#include "cli/app/record.h"
#include "runtime/base/fs.h"

namespace convox::app {
namespace {

constexpr std::string_view kNoImage =
    "building from a Dockerfile comes in a later version; give the service an image, such as "
    "`image: oci:DIR`, or use `convox builds import-image`";

// A deploy copies the newest release. A variable that was removed there and never promoted would vanish unnoticed.
Result<> check_nothing_dropped(const App& app, const Environment& next) {
  const std::string active = TRY(app.active());
  if (active.empty()) return ok();
  const Release now = TRY(app.release(active));
  const auto dropped = names_missing(now.environment, next);
  if (dropped.empty()) return ok();
  return invalid(cat("release would drop env of the active release ", active, ": ", join(dropped, ", ")))
      .advise("`convox releases promote` puts the newest environment in force; --force drops them now");
}

// An import changes the services that it is for; the others keep the image that they have.
Result<Environment> images_kept(const App* app, const BuildRequest& request) {
  if (!request.import || !app) return Environment{};
  const auto newest = TRY(app->newest());
  if (!newest || newest->build.empty()) return Environment{};
  return TRY(app->build(newest->build)).images;
}

// Which image does each service get, and from where?
Result<> choose_images(Draft& draft) {
  const auto& import = draft.request.import;
  if (import && !import->service.empty()) TRY(draft.manifest.service(import->service));
  bool used = false;
  for (const Service& service : draft.manifest.services) {
    const bool targeted = import && (import->service.empty() ? service.image.empty() : import->service == service.name);
    used = used || targeted;
    if (targeted)
      draft.sources[service.name] = import->source;
    else if (import && draft.images.contains(service.name))
      continue;
    else if (!service.image.empty())
      draft.sources[service.name] = {service.image, draft.request.base};
    else if (!import)
      return invalid(cat("service ", service.name, " has no image: ", kNoImage));
  }
  if (import && !used)
    return invalid(cat(import->source.reference, " is for no service: each has its `image:`"))
        .advise("name one with --service");
  return ok();
}

}  // namespace

Result<std::string> directory_of(const ManifestFile& file) {
  const std::size_t slash = file.path.rfind('/');
  if (slash == 0) return std::string("/");
  const std::string directory = slash == std::string::npos ? "" : file.path.substr(0, slash);
  if (directory.starts_with('/')) return directory;
  char here[4096];
  TRY(check(sys::getcwd(here, sizeof here), "getcwd", ""));
  return directory.empty() ? std::string(here) : cat(here, "/", directory);
}

Result<Release> fork_newest(const App& app) {
  auto newest = TRY(app.newest());
  return newest ? *std::move(newest) : Release{};
}

Result<Draft> draft(const App* app, BuildRequest request) {
  Draft draft;
  if (app) draft.environment = TRY(fork_newest(*app)).environment;
  draft.manifest = TRY(parse_manifest(request.file.text, draft.environment));
  if (app && !request.may_drop_variables) TRY(check_nothing_dropped(*app, draft.environment));
  draft.request = std::move(request);
  draft.images = TRY(images_kept(app, draft.request));
  TRY(choose_images(draft));
  return draft;
}

// --- Building -----------------------------------------------------------------------------------------------------

Result<Building> Building::start(const App& app, Draft draft) {
  Building building(app, std::move(draft));
  building.record_.description = building.draft_.request.description;
  building.record_.manifest = building.draft_.request.file.text;
  const AppLock lock = TRY(app.lock());
  building.log_ = TRY(app.start(lock, building.record_));
  return building;
}

// A full disk must not fail a build for its log's sake.
void Building::log(std::string_view line, const Watcher& watcher) {
  static_cast<void>(fs::write_all(log_.get(), cat(line, "\n"), "the build's log"));
  if (watcher) watcher(line);
}

Result<> Building::import_images(const std::string& root, const Watcher& watcher) {
  auto imported = import_each(root, watcher);
  if (!imported) fail(imported.error());
  return imported;
}

Result<> Building::import_each(const std::string& root, const Watcher& watcher) {
  record_.images = draft_.images;
  std::map<ImageSource, std::string> imported;  // services with the same source share one import
  for (const auto& [service, source] : draft_.sources) {
    std::string& id = imported[source];
    if (id.empty()) {
      log(cat("Running: import ", source.reference), watcher);
      ImportedImage image = TRY(import_image(root, source.base, source.reference));
      for (const std::string& warning : image.warnings) log(warning, watcher);
      id = std::move(image.id);
    }
    record_.images.insert_or_assign(service, id);
    log(cat("Image: ", service, " ", std::string_view(id).substr(0, 12)), watcher);
  }
  return ok();
}

void Building::fail(const Error& error) {
  log(cat("ERROR: ", error.text), nullptr);  // whoever looks on gets the error itself
  record_.status = BuildRecord::Status::kFailed;
  record_.ended = seconds_now();
  // Where even this cannot be written, the lock of the log, given up at our end, says the same.
  if (const auto lock = app_->lock()) static_cast<void>(app_->save(*lock, record_));
}

// The build first, then the release: killed in between, a complete build has no release, which hurts nobody. The other
// way round a release would name a build without images.
Result<Release> Building::finish() {
  const AppLock lock = TRY(app_->lock());
  Release release = TRY(fork_newest(*app_));
  // Somebody may have changed the environment since the draft was made.
  if (release.environment != draft_.environment) TRY(parse_manifest(record_.manifest, release.environment));
  record_.status = BuildRecord::Status::kComplete;
  record_.ended = seconds_now();
  TRY(app_->save(lock, record_));
  release.build = record_.id;
  release.description = record_.description;
  release.manifest = record_.manifest;
  TRY(app_->add(lock, release));
  return release;
}

Result<> promote(const App& app, const Release& release) {
  if (release.build.empty()) return not_found(cat("no build for release: ", release.id));
  const BuildRecord build = TRY(app.build(release.build));
  if (build.status != BuildRecord::Status::kComplete)
    return invalid(cat("build ", build.id, " of release ", release.id, " is not complete but ", name_of(build.status)));
  TRY(parse_manifest(release.manifest, release.environment), "release ", release.id);
  const AppLock lock = TRY(app.lock());
  return app.activate(lock, release.id);
}

}  // namespace convox::app
