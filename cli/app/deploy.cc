#include "cli/app/deploy.h"

#include <time.h>

#include "cli/app/importer.h"
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

// Which image does each service get, and from where?
Result<> choose_images(const App* app, Draft& draft) {
  const BuildRequest& request = draft.request;
  if (!request.import_service.empty()) {
    TRY(draft.manifest.service(request.import_service));
    // Only one service gets a new image: the others keep theirs.
    if (const auto newest = app ? TRY(app->newest()) : std::optional<Release>(); newest && !newest->build.empty())
      draft.images = TRY(app->build(newest->build)).images;
  }
  for (const Service& service : draft.manifest.services) {
    const bool named = service.name == request.import_service;
    const bool unnamed = request.import_service.empty() && service.image.empty();
    if (!request.import_reference.empty() && (named || unnamed))
      draft.references[service.name] = request.import_reference;
    else if (!service.image.empty())
      draft.references[service.name] = service.image;
    else if (request.import_reference.empty())
      return invalid(cat("service ", service.name, " has no image: ", kNoImage));
  }
  return ok();
}

// One line to the log and to whoever looks on. A full disk must not fail a build for its log's sake.
class BuildLog {
 public:
  BuildLog(UniqueFd file, const std::function<void(std::string_view)>& watcher)
      : file_(std::move(file)), watcher_(watcher) {}
  void line(std::string_view text) {
    static_cast<void>(fs::write_all(file_.get(), cat(text, "\n"), "the build's log"));
    if (watcher_) watcher_(text);
  }

 private:
  UniqueFd file_;  // its lock says that the build is alive
  const std::function<void(std::string_view)>& watcher_;
};

Result<Environment> import_all(const std::string& root, const Draft& draft, BuildLog& log) {
  Environment images = draft.images;
  std::map<std::string, std::string> imported;  // services with the same reference share one import
  for (const auto& [service, reference] : draft.references) {
    std::string& id = imported[reference];
    if (id.empty()) {
      log.line(cat("Running: import ", reference));
      id = TRY(import_image(root, draft.request.base, reference));
    }
    images.insert_or_assign(service, id);
    log.line(cat("Image: ", service, " ", std::string_view(id).substr(0, 12)));
  }
  return images;
}

std::int64_t now() {
  timespec time{};
  sys::clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec;
}

// The build first, then the release: killed in between, a complete build has no release, which hurts nobody. The other
// way round a release would name a build without images.
Result<Release> finish(const App& app, const Draft& draft, BuildRecord& build, Environment images) {
  const AppLock lock = TRY(app.lock());
  Release release = TRY(fork_newest(app));
  // Somebody may have changed the environment since the draft was made.
  if (release.environment != draft.environment) TRY(parse_manifest(draft.request.file.text, release.environment));
  build.status = BuildRecord::Status::kComplete;
  build.ended = now();
  build.images = std::move(images);
  TRY(app.save(lock, build));
  release.build = build.id;
  release.description = build.description;
  release.manifest = build.manifest;
  TRY(app.add(lock, release));
  return release;
}

}  // namespace

Result<std::string> directory_of(const ManifestFile& file) {
  std::string directory = file.path.substr(0, file.path.rfind('/') + 1);
  if (directory.starts_with('/')) return directory;
  char here[4096];
  TRY(check(sys::getcwd(here, sizeof here), "getcwd", ""));
  return cat(here, "/", directory);
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
  TRY(choose_images(app, draft));
  return draft;
}

Result<Built> build(const App& app, const std::string& root, const Draft& draft,
                    const std::function<void(std::string_view)>& watcher) {
  Built built;
  built.build.description = draft.request.description;
  built.build.manifest = draft.request.file.text;
  UniqueFd file;
  {
    const AppLock lock = TRY(app.lock());
    file = TRY(app.start(lock, built.build));
  }
  BuildLog log(std::move(file), watcher);
  auto images = import_all(root, draft, log);
  if (images) {
    built.release = TRY(finish(app, draft, built.build, *std::move(images)));
    return built;
  }
  Error error = std::move(images).error();
  log.line(cat("ERROR: ", error.text));
  built.build.status = BuildRecord::Status::kFailed;
  built.build.ended = now();
  // Where even this cannot be written, the log's lock, given up on return, says the same.
  if (const auto lock = app.lock()) static_cast<void>(app.save(*lock, built.build));
  return std::move(error).under("build failed");
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
