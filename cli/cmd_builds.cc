#include "cli/cmd_builds.h"

#include <algorithm>

#include "cli/app/app_name.h"
#include "cli/app/deploy.h"
#include "cli/app_output.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/times.h"

namespace convox::cli {
namespace {

// The release that the build became: the oldest one that has it, since `env set` copies the build into the next.
std::string release_of(const std::vector<app::Release>& releases, const app::BuildRecord& build) {
  const auto found = std::find_if(releases.rbegin(), releases.rend(),
                                  [&](const app::Release& release) { return release.build == build.id; });
  return found == releases.rend() ? "" : found->id;
}

std::string duration(const app::BuildRecord& build) { return elapsed(build.started * kSecond, build.ended * kSecond); }

Result<int> builds(const Invocation& invocation) {
  const app::App app = TRY(find_app(invocation));
  const std::size_t limit = TRY(limit_of(invocation));
  const auto releases = TRY(app.releases());
  Table table{"ID", "STATUS", "RELEASE", "STARTED", "ELAPSED", "DESCRIPTION"};
  std::size_t count = 0;
  for (const app::BuildRecord& build : TRY(app.builds())) {
    if (count++ == limit) break;
    table.add({build.id, name_of(build.status), release_of(releases, build), ago(build.started * kSecond, now()),
               duration(build), build.description});
  }
  TRY(print(table.text()));
  return 0;
}

Result<int> info(const Invocation& invocation) {
  const app::App app = TRY(find_app(invocation));
  const app::BuildRecord build = TRY(app.build(invocation.arguments[0]));
  Info info;
  info.add("Id", build.id);
  info.add("Status", name_of(build.status));
  info.add("Release", release_of(TRY(app.releases()), build));
  info.add("Description", build.description);
  info.add("Started", ago(build.started * kSecond, now()));
  info.add("Elapsed", duration(build));
  TRY(print(info.text()));
  return 0;
}

Result<int> logs(const Invocation& invocation) {
  const app::App app = TRY(find_app(invocation));
  const app::BuildRecord build = TRY(app.build(invocation.arguments[0]));
  const std::string log = TRY(app.log(build));
  TRY(print(log));
  return 0;
}

// The convox.yml at hand, or without one that of the newest release: an import needs no source.
Result<app::ManifestFile> manifest_for_import(const app::App* app, std::optional<std::string_view> named) {
  auto file = app::read_manifest_file(named);
  if (file || named || file.error().kind != Error::Kind::kNotFound) return file;
  const app::Release newest = app ? TRY(app::fork_newest(*app)) : app::Release{};
  if (newest.manifest.empty()) return file;
  return app::ManifestFile{"convox.yml", newest.manifest};
}

Result<int> import_image(const Invocation& invocation) {
  const std::string& reference = invocation.arguments[0];
  const app::AppStore store(invocation.globals.root);
  const std::string name = TRY(app::app_name(invocation.value("app")));
  const auto existing = store.find(name);
  if (!existing && existing.error().kind != Error::Kind::kNotFound) return existing.error();
  const app::App* const known = existing ? &*existing : nullptr;
  app::BuildRequest request;
  request.file = TRY(manifest_for_import(known, invocation.value("manifest")));
  request.base = TRY(app::directory_of(request.file));
  request.description = invocation.value("description").value_or(cat("import ", reference));
  // What somebody types is relative to where he stands.
  const std::string here = TRY(app::directory_of({}));
  request.import = {{reference, here}, std::string(invocation.value("service").value_or(""))};
  app::Draft draft = TRY(app::draft(known, std::move(request)));
  warn_about(draft.manifest, draft.request.file.path);

  const Progress progress = progress_of(invocation);
  const app::App app = TRY(store.find_or_create(name));
  TRY(progress.begin("Creating build"));
  app::Building building = TRY(app::Building::start(app, std::move(draft)));
  TRY(progress.done(building.record().id));
  TRY(progress.begin(cat("Relaying image ", reference)));
  TRY(progress.done());
  TRY(progress.begin("Waiting for import to complete"));
  TRY(building.import_images(invocation.globals.root), "import failed");
  TRY(progress.done());
  TRY(progress.begin("Creating release"));
  const app::Release release = TRY(building.finish(), "import failed");
  TRY(progress.done(release.id));
  TRY(progress.line(cat("Build:   ", building.record().id)));
  TRY(progress.line(cat("Release: ", release.id)));
  TRY(print_id(invocation, release.id));
  return 0;
}

constexpr Option kAppOnly[] = {kAppOption};
constexpr Option kListOptions[] = {kAppOption, {"limit", 'l', "count", "How many, 10 if not given."}};
constexpr Option kImportOptions[] = {
    kAppOption,
    {"description", 'd', "text", "What the build is, for the list of builds."},
    kIdOption,
    {"manifest", 'm', "file", "The manifest, instead of convox.yml."},
    {"service", 's', "name", "Give the image to this service alone; otherwise to every service without `image:`."},
};

}  // namespace

const Command kBuilds = {
    .name = "builds", .arguments = "", .summary = "list builds", .options = kListOptions, .run = builds};

const Command kBuildsInfo = {.name = "builds info",
                             .arguments = "<build>",
                             .summary = "get information about a build",
                             .options = kAppOnly,
                             .minimum = 1,
                             .maximum = 1,
                             .run = info};

const Command kBuildsLogs = {.name = "builds logs",
                             .arguments = "<build>",
                             .summary = "get the log of a build",
                             .options = kAppOnly,
                             .minimum = 1,
                             .maximum = 1,
                             .run = logs};

const Command kBuildsImportImage = {
    .name = "builds import-image",
    .arguments = "<image>",
    .summary = "create a build from an image",
    .description =
        "<image> is oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:TAG] or rootfs:PATH, a tarball or a "
        "root file "
        "system tree. The release that is made waits for `convox releases promote`.",
    .options = kImportOptions,
    .minimum = 1,
    .maximum = 1,
    .run = import_image,
};

}  // namespace convox::cli
