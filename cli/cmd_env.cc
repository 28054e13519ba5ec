// How are an app's variables read and changed? A release never changes, so `env set` makes a new one: the newest,
// promoted or not, with other variables. Read next: app/environment.h, app/release.h.
#include "cli/cmd_env.h"

#include <asm/termbits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/app/deploy.h"
#include "cli/app_output.h"
#include "cli/output.h"
#include "runtime/base/fs.h"

namespace convox::cli {
namespace {

constexpr std::size_t kLargestInput = 1u << 20;
constexpr int kPatience = 1;  // seconds

// The newest release, or the one that --release names. An app may have none yet.
Result<app::Release> release_of(const app::App& app, const Invocation& invocation) {
  if (const auto named = invocation.value("release")) return app.release(*named);
  return app::fork_newest(app);
}

Result<int> env(const Invocation& invocation) {
  const app::App app = TRY(find_app(invocation));
  const app::Release release = TRY(release_of(app, invocation));
  if (!release.environment.empty()) TRY(print(cat(app::print(release.environment), "\n")));
  return 0;
}

Result<int> get(const Invocation& invocation) {
  const app::App app = TRY(find_app(invocation));
  const app::Release release = TRY(release_of(app, invocation));
  const auto found = release.environment.find(invocation.arguments[0]);
  if (found == release.environment.end()) return not_found(cat("env not found: ", invocation.arguments[0]));
  TRY(print(cat(found->second, "\n")));
  return 0;
}

bool stdin_is_terminal() {
  struct termios2 settings {};
  return sys::ioctl(STDIN_FILENO, TCGETS2, &settings) == 0;
}

// NAME=VALUE lines on standard input, unless it is a terminal. Where assignments stand on the command line, too, a pipe
// that says nothing is not waited for: a job of cron or CI often has one that stays open for ever. Without them it is
// all there is.
Result<app::Environment> read_stdin(bool has_arguments) {
  if (stdin_is_terminal()) return app::Environment{};
  pollfd input{STDIN_FILENO, POLLIN, 0};
  timespec patience{kPatience, 0};
  if (has_arguments && sys::ppoll(&input, 1, &patience) == 0) {
    warn(cat("standard input is open and silent, not waiting for it"));
    return app::Environment{};
  }
  const auto text = fs::read_all(STDIN_FILENO, "standard input", kLargestInput);
  if (!text && text.error().code == EBADF) return app::Environment{};  // closed: nothing was meant to be read
  if (!text) return text.error();
  return app::parse_environment(*text);
}

// Adds a release that differs from the newest in its variables, tells its id, and promotes it if asked.
Result<> add_release(const app::App& app, const Invocation& invocation, const Progress& progress,
                     const std::function<void(app::Environment&)>& change) {
  app::Release release;
  {
    const app::AppLock lock = TRY(app.lock());
    release = TRY(release_of(app, invocation));
    if (invocation.flag("promote") && release.build.empty())
      return not_found(cat("nothing to promote: app ", app.name(), " has no build yet"));
    const app::Environment before = release.environment;
    change(release.environment);
    release.description = app::describe_changes(before, release.environment);
    TRY(app.add(lock, release));
  }
  TRY(progress.done());
  TRY(progress.line(cat("Release: ", release.id)));
  if (invocation.flag("promote")) {
    TRY(promote_aloud(app, release, progress));
  } else if (const std::string active = TRY(app.active()); !active.empty()) {
    // Forgotten promotions are the oldest complaint about environments. Where nothing is active yet there is nothing to
    // forget.
    print_error(cat("hint: `convox releases promote ", release.id, "` puts it in force\n"));
  }
  return print_id(invocation, release.id);
}

Result<int> set(const Invocation& invocation) {
  app::Environment given;
  for (const std::string& argument : invocation.arguments) {
    auto [name, value] = TRY(app::parse_assignment(argument));
    given.insert_or_assign(std::move(name), std::move(value));
  }
  given.merge(TRY(read_stdin(!invocation.arguments.empty())));  // the command line wins
  if (given.empty()) return invalid("at least 1 arg required").advise("NAME=VALUE as arguments or on standard input");

  const app::App app = TRY(find_or_create_app(invocation));
  const Progress progress = progress_of(invocation);
  TRY(progress.begin(cat("Setting ", app::join(app::names_missing(given, {}), ", "))));
  TRY(add_release(app, invocation, progress, [&](app::Environment& environment) {
    if (invocation.flag("replace")) environment.clear();
    for (const auto& [name, value] : given) environment.insert_or_assign(name, value);
  }));
  return 0;
}

Result<int> unset(const Invocation& invocation) {
  const app::App app = TRY(find_app(invocation));
  const Progress progress = progress_of(invocation);
  TRY(progress.begin(cat("Unsetting ", app::join(invocation.arguments, ", "))));
  TRY(add_release(app, invocation, progress, [&](app::Environment& environment) {
    for (const std::string& name : invocation.arguments) environment.erase(name);
  }));
  return 0;
}

constexpr Option kRelease = {"release", 0, "release", "This release, instead of the newest."};
constexpr Option kPromote = {"promote", 'p', {}, "Promote the new release."};
constexpr Option kReveal = {.name = "reveal"};  // Convox masks values on a terminal; here they are always shown
constexpr Option kEnvOptions[] = {kAppOption, kRelease, kReveal};
constexpr Option kGetOptions[] = {kAppOption, kRelease};
constexpr Option kSetOptions[] = {
    kAppOption, kIdOption, kPromote, kRelease, {.name = "replace", .help = "Remove all variables that are not given."}};
constexpr Option kUnsetOptions[] = {kAppOption, kIdOption, kPromote, kRelease};

}  // namespace

const Command kEnv = {.name = "env", .arguments = "", .summary = "list env vars", .options = kEnvOptions, .run = env};

const Command kEnvGet = {.name = "env get",
                         .arguments = "<var>",
                         .summary = "get an env var",
                         .options = kGetOptions,
                         .minimum = 1,
                         .maximum = 1,
                         .run = get};

const Command kEnvSet = {
    .name = "env set",
    .arguments = "<name=value> [name=value]...",
    .summary = "set env vars",
    .description =
        "Makes a release from the newest one. Lines NAME=VALUE are also read from standard input, if it is not a "
        "terminal. A "
        "value is everything behind the first `=`.",
    .options = kSetOptions,
    .maximum = Command::kAny,
    .run = set,
};

const Command kEnvUnset = {.name = "env unset",
                           .arguments = "<var> [var]...",
                           .summary = "unset env vars",
                           .description = "Makes a release from the newest one.",
                           .options = kUnsetOptions,
                           .minimum = 1,
                           .maximum = Command::kAny,
                           .run = unset};

}  // namespace convox::cli
