#include "cli/app/run_source.h"

#include "cli/app/app_name.h"
#include "cli/app/app_store.h"
#include "cli/app/deploy.h"
#include "rootfs/store.h"

namespace convox::app {
namespace {

// What is known on the way to a RunSource.
struct Search {
  const RunRequest& request;
  std::optional<App> app;  // empty: it does not exist yet
  RunSource source;
  BuildRecord build;
};

void say(const RunRequest& request, std::string_view line) {
  if (request.progress) request.progress(line);
}

// No release is active. If somebody already built one (`builds import-image`), that is the one; nothing else is newer.
Result<bool> use_newest(Search& search) {
  const auto newest = search.app ? TRY(search.app->newest()) : std::optional<Release>();
  if (!newest || newest->build.empty()) return false;
  if (!search.request.explain) {
    say(search.request, cat("Promoting ", newest->id, "..."));
    TRY(promote(*search.app, *newest));
  }
  search.source.release = *newest;
  return true;
}

// The first release, from the convox.yml at hand. With --explain it exists in memory only.
Result<> use_manifest_file(Search& search) {
  const RunRequest& request = search.request;
  BuildRequest wish;
  wish.file = TRY(read_manifest_file(request.manifest), "no release for app: ", search.source.app);
  wish.base = TRY(directory_of(wish.file));
  Draft first = TRY(draft(search.app ? &*search.app : nullptr, std::move(wish)));
  TRY(first.manifest.service(request.service));
  if (request.explain) {
    search.source.release.manifest = first.request.file.text;
    search.source.release.environment = first.environment;
    search.source.needs_import = first.sources.at(std::string(request.service)).reference;
    return ok();
  }
  say(request,
      cat("No release for app ", search.source.app, " yet, making the first one from ", first.request.file.path));
  if (!search.app) search.app = TRY(AppStore(request.root).find_or_create(search.source.app));
  Building building = TRY(Building::start(*search.app, std::move(first)));
  TRY(building.import_images(request.root, request.progress), "build failed");
  search.source.release = TRY(building.finish());
  say(request, cat("Promoting ", search.source.release.id, "..."));
  TRY(promote(*search.app, search.source.release));
  return ok();
}

Result<> choose_release(Search& search) {
  const RunRequest& request = search.request;
  if (request.release) {
    if (!search.app) return not_found(cat("no such app: ", search.source.app));
    search.source.release = TRY(search.app->release(*request.release));
    return ok();
  }
  const std::string active = search.app ? TRY(search.app->active()) : "";
  if (!active.empty()) {
    search.source.release = TRY(search.app->release(active));
    return ok();
  }
  if (!request.may_build)
    return not_found(cat("no release for app: ", search.source.app)).advise("`convox deploy` makes one");
  if (TRY(use_newest(search))) return ok();
  return use_manifest_file(search);
}

Result<> find_image(Search& search) {
  RunSource& source = search.source;
  if (!source.needs_import.empty()) return ok();
  if (source.release.build.empty()) return not_found(cat("no build for release: ", source.release.id));
  search.build = TRY(search.app->build(source.release.build));
  const auto id = search.build.images.find(source.service.name);
  if (id == search.build.images.end())
    return not_found(cat("build ", search.build.id, " has no image for service ", source.service.name))
        .advise("`convox deploy` or `convox builds import-image` makes a release that has one");
  const rootfs::Store store = TRY(rootfs::Store::open(search.request.root));
  source.image = TRY(store.image(id->second), "image of service ", source.service.name);
  return ok();
}

// Later entries win, so the app's own words come last. (Convox: provider/k8s/helpers.go)
Result<> fill_environment(Search& search) {
  RunSource& source = search.source;
  const std::string rack = TRY(rack_name());
  source.environment = {{"RACK", rack},
                        {"APP", source.app},
                        {"RELEASE", source.release.id},
                        {"BUILD", source.release.build},
                        {"BUILD_DESCRIPTION", search.build.description},
                        {"SERVICE", source.service.name}};
  if (source.service.port.number != 0) source.environment["PORT"] = cat(source.service.port.number);
  for (auto& [name, value] : TRY(service_environment(source.service, source.release.environment)))
    source.environment.insert_or_assign(name, value);
  return ok();
}

// Only where the convox.yml at hand is this app's, and not for a release that was asked for by name.
void compare_with_file(Search& search) {
  const RunRequest& request = search.request;
  RunSource& source = search.source;
  if (request.release || !source.needs_import.empty()) return;
  const auto here = app_name(std::nullopt);
  if (!request.manifest && (!here || *here != source.app)) return;
  const auto file = read_manifest_file(request.manifest);
  if (file && file->text != source.release.manifest)
    source.notes.push_back(
        cat(file->path, " differs from the active release ", source.release.id, ", `convox deploy` puts it in force"));
}

}  // namespace

Result<RunSource> run_source(const RunRequest& request) {
  Search search{.request = request, .app = {}, .source = {}, .build = {}};
  RunSource& source = search.source;
  source.app = TRY(app_name(request.app));
  auto found = AppStore(request.root).find(source.app);
  if (found)
    search.app = *std::move(found);
  else if (found.error().kind != Error::Kind::kNotFound)
    return std::move(found).error();
  TRY(choose_release(search));
  source.manifest = TRY(parse_manifest(source.release.manifest, source.release.environment));
  source.service = *TRY(source.manifest.service(request.service));
  TRY(find_image(search));
  TRY(fill_environment(search));
  for (const Warning& warning : source.manifest.warnings)
    source.notes.push_back(cat("convox.yml:", warning.line, ": ", warning.text));
  compare_with_file(search);
  return std::move(search.source);
}

}  // namespace convox::app
