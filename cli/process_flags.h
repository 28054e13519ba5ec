// What do the words and flags mean that `run` and `exec` have in common: command, environment, terminal, directory?
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "runtime/container_config.h"

namespace convox::cli {

// One word with blanks or shell characters is a line for a shell, if the image has one; several words are an argv. They
// are never joined and cut again: that is how quotes get lost.
Result<> set_command(runtime::ContainerConfig& config, const std::vector<std::string>& entrypoint,
                     const std::vector<std::string>& words);

// `entry` is NAME=VALUE.
void put(std::vector<std::string>& env, std::string_view entry);
void put_if_unset(std::vector<std::string>& env, std::string_view entry);
// --env: NAME=VALUE, or NAME for the caller's own value.
Result<> put_given(std::vector<std::string>& env, const Invocation& invocation);

// Does the user sit at a terminal that we may use? Then the command gets one of its own.
bool user_at_terminal();
// "TERM=..." of the caller.
std::string callers_term();

// --workdir, or else `otherwise`.
Result<> set_directory(runtime::ContainerConfig& config, const Invocation& invocation, std::string_view otherwise);

}  // namespace convox::cli
