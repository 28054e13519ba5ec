#include "cli/cmd_releases.h"

#include "cli/app/deploy.h"
#include "cli/app_output.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/times.h"

namespace convox::cli {
namespace {

Result<int> releases(const Invocation& invocation) {
  const app::App app = TRY(find_app(invocation));
  const std::size_t limit = TRY(limit_of(invocation));
  const std::string active = TRY(app.active());
  Table table{"ID", "STATUS", "BUILD", "CREATED", "DESCRIPTION"};
  std::size_t count = 0;
  for (const app::Release& release : TRY(app.releases())) {
    if (count++ == limit) break;
    table.add({release.id, release.id == active ? "active" : "", release.build, ago(release.created * kSecond, now()),
               release.description});
  }
  TRY(print(table.text()));
  return 0;
}

Result<int> info(const Invocation& invocation) {
  const app::App app = TRY(find_app(invocation));
  const app::Release release = TRY(app.release(invocation.arguments[0]));
  Info info;
  info.add("Id", release.id);
  info.add("Build", release.build);
  info.add("Created", rfc3339(release.created * kSecond));
  info.add("Description", release.description);
  info.add("Env", app::print(release.environment));
  TRY(print(info.text()));
  return 0;
}

Result<int> manifest(const Invocation& invocation) {
  const app::App app = TRY(find_app(invocation));
  const app::Release release = TRY(app.release(invocation.arguments[0]));
  if (release.build.empty()) return not_found(cat("no build for release: ", release.id));
  std::string_view text = release.manifest;
  constexpr std::string_view kBlank = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  text = text.substr(0, text.find_last_not_of(kBlank) + 1);
  TRY(print(cat(text, "\n")));
  return 0;
}

Result<int> promote(const Invocation& invocation) {
  const app::App app = TRY(find_app(invocation));
  if (!invocation.arguments.empty()) {
    const app::Release named = TRY(app.release(invocation.arguments[0]));
    TRY(promote_aloud(app, named, Progress()));
    return 0;
  }
  const auto newest = TRY(app.newest());
  if (!newest) return not_found("no releases to promote");
  TRY(promote_aloud(app, *newest, Progress()));
  return 0;
}

// A release never becomes active a second time under its old id: the history shows that somebody went back.
Result<int> rollback(const Invocation& invocation) {
  const app::App app = TRY(find_app(invocation));
  app::Release release = TRY(app.release(invocation.arguments[0]));
  const Progress progress = progress_of(invocation);
  TRY(progress.begin(cat("Rolling back to ", release.id)));
  if (release.build.empty()) return not_found(cat("no build for release: ", release.id));
  release.description = cat("rollback to ", release.id);
  {
    const app::AppLock lock = TRY(app.lock());
    TRY(app.add(lock, release));
  }
  TRY(progress.done(release.id));
  TRY(promote_aloud(app, release, progress));
  TRY(print_id(invocation, release.id));
  return 0;
}

constexpr Option kAppOnly[] = {kAppOption};
constexpr Option kListOptions[] = {kAppOption, {"limit", 'l', "count", "How many, 10 if not given."}};
// Convox masks values on a terminal and has an option to show them, and one to promote what is being promoted: both are
// the rule here.
constexpr Option kReveal = {.name = "reveal"}, kForce = {.name = "force"};
constexpr Option kInfoOptions[] = {kAppOption, kReveal};
constexpr Option kPromoteOptions[] = {kAppOption, kForce};
constexpr Option kRollbackOptions[] = {kAppOption, kForce, kIdOption};

}  // namespace

const Command kReleases = {
    .name = "releases", .arguments = "", .summary = "list releases", .options = kListOptions, .run = releases};

const Command kReleasesInfo = {.name = "releases info",
                               .arguments = "<release>",
                               .summary = "get information about a release",
                               .options = kInfoOptions,
                               .minimum = 1,
                               .maximum = 1,
                               .run = info};

const Command kReleasesManifest = {.name = "releases manifest",
                                   .arguments = "<release>",
                                   .summary = "get the manifest of a release",
                                   .options = kAppOnly,
                                   .minimum = 1,
                                   .maximum = 1,
                                   .run = manifest};

const Command kReleasesPromote = {.name = "releases promote",
                                  .arguments = "[release]",
                                  .summary = "make a release the active one, the newest if none is named",
                                  .options = kPromoteOptions,
                                  .maximum = 1,
                                  .run = promote};

const Command kReleasesRollback = {.name = "releases rollback",
                                   .arguments = "<release>",
                                   .summary = "copy an old release into a new one and promote it",
                                   .options = kRollbackOptions,
                                   .minimum = 1,
                                   .maximum = 1,
                                   .run = rollback};

}  // namespace convox::cli
