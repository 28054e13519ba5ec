// How does `convox deploy` tell what it does? In Convox's lines, although nothing is packed or uploaded on one host:
// scripts wait for them. "Packaging" is reading and checking convox.yml, "uploading" is writing the build's record.
// Read next: app/deploy.h.
#include "cli/cmd_deploy.h"

#include "cli/app/app_name.h"
#include "cli/app/deploy.h"
#include "cli/app_output.h"
#include "cli/output.h"

namespace convox::cli {
namespace {

// The convox.yml of the directory in the command line, or of this one. The app is still named by the directory we came
// from.
Result<app::BuildRequest> request_of(const Invocation& invocation) {
  if (!invocation.arguments.empty()) {
    const std::string& directory = invocation.arguments[0];
    TRY(check(sys::chdir(directory.c_str()), "chdir", directory));
  }
  app::BuildRequest request;
  request.file = TRY(app::read_manifest_file(invocation.value("manifest")));
  request.base = TRY(app::directory_of(request.file));
  request.description = invocation.value("description").value_or("");
  request.may_drop_variables = invocation.flag("force");
  return request;
}

struct Made {
  app::App app;
  std::string build;
  app::Release release;
};

Result<Made> make_release(const Invocation& invocation, const Progress& progress) {
  const app::AppStore store(invocation.globals.root);
  const std::string name = TRY(app::app_name(invocation.value("app")));
  app::BuildRequest request = TRY(request_of(invocation));
  // Everything that can be wrong with the file is found before anything is printed or stored.
  const auto existing = store.find(name);
  if (!existing && existing.error().kind != Error::Kind::kNotFound) return existing.error();
  app::Draft draft = TRY(app::draft(existing ? &*existing : nullptr, std::move(request)));
  warn_about(draft.manifest, draft.request.file.path);

  app::App app = TRY(store.find_or_create(name));
  TRY(progress.begin("Packaging source"));
  TRY(progress.done());
  TRY(progress.begin("Uploading source"));
  app::Building building = TRY(app::Building::start(app, std::move(draft)));
  TRY(progress.done());
  TRY(progress.begin("Starting build"));
  TRY(progress.done());
  const auto log = [&](std::string_view line) { static_cast<void>(progress.line(line)); };
  TRY(building.import_images(invocation.globals.root, log), "build failed");
  app::Release release = TRY(building.finish(), "build failed");
  return Made{std::move(app), building.record().id, std::move(release)};
}

Result<int> build(const Invocation& invocation) {
  const Progress progress = progress_of(invocation);
  const Made made = TRY(make_release(invocation, progress));
  TRY(progress.line(cat("Build:   ", made.build)));
  TRY(progress.line(cat("Release: ", made.release.id)));
  TRY(print_id(invocation, made.release.id));
  return 0;
}

Result<int> deploy(const Invocation& invocation) {
  const Progress progress = progress_of(invocation);
  const Made made = TRY(make_release(invocation, progress));
  TRY(promote_aloud(made.app, made.release, progress));
  TRY(print_id(invocation, made.release.id));
  return 0;
}

constexpr Option kManifest = {"manifest", 'm', "file", "The manifest, instead of convox.yml."};
constexpr Option kDescription = {"description", 'd', "text", "What the build is, for the list of builds."};
// Accepted so that scripts written for Convox go on working; they change how a Dockerfile is built.
constexpr Option kBuildArgs = {.name = "build-args", .value = "K=V", .repeatable = true};
constexpr Option kDevelopment = {.name = "development"}, kExternal = {.name = "external"},
                 kNoCache = {.name = "no-cache"};
constexpr Option kWildcard = {.name = "wildcard-domain"};

constexpr Option kBuildOptions[] = {kAppOption, kBuildArgs, kDescription, kDevelopment, kExternal,
                                    kIdOption,  kManifest,  kNoCache,     kWildcard};
constexpr Option kDeployOptions[] = {
    kAppOption,   kBuildArgs,
    kDescription, kDevelopment,
    kExternal,    kIdOption,
    kManifest,    kNoCache,
    kWildcard,    {.name = "force", .help = "Even if variables of the active release would be dropped."}};

}  // namespace

const Command kBuild = {
    .name = "build",
    .arguments = "[dir]",
    .summary = "create a build",
    .description =
        "Imports the image of every service and makes a release, which `convox releases promote` puts in force.",
    .options = kBuildOptions,
    .maximum = 1,
    .run = build,
};

const Command kDeploy = {
    .name = "deploy",
    .arguments = "[dir]",
    .summary = "create and promote a build",
    .description =
        "Imports the image of every service, makes a release and puts it in force. The app is created if it does not "
        "exist.",
    .options = kDeployOptions,
    .maximum = 1,
    .run = deploy,
};

}  // namespace convox::cli
