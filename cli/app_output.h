// What do the commands about apps have in common?
#pragma once
#include <string>

#include "cli/app/app_store.h"
#include "cli/app/manifest.h"
#include "cli/command.h"
#include "cli/progress.h"

namespace convox::cli {

inline constexpr Option kIdOption = {
    "id", 0, {}, "Print the id of the new release alone on stdout, all else on stderr."};

// The app that the command line means; it must exist.
Result<app::App> find_app(const Invocation& invocation);
// The same for commands that write: an app comes into being by its first deploy or its first variable.
Result<app::App> find_or_create_app(const Invocation& invocation);

// Where progress goes: with --id to stderr, so that stdout is the id alone.
Progress progress_of(const Invocation& invocation);
// With --id: the id, without a newline, for `$(convox deploy --id)`.
Result<> print_id(const Invocation& invocation, const std::string& id);

// "Promoting R... ", a newline for what would follow, "OK".
Result<> promote_aloud(const app::App& app, const app::Release& release, const Progress& progress);

void warn_about(const app::Manifest& manifest, const std::string& path);

// The first --limit of a list, 10 if it was not given.
Result<std::size_t> limit_of(const Invocation& invocation);

}  // namespace convox::cli
