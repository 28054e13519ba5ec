#include "cli/process_flags.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "cli/shell_words.h"

namespace convox::cli {
namespace {

auto find_name(std::vector<std::string>& env, std::string_view entry) {
  const std::string_view name = entry.substr(0, entry.find('=') + 1);
  return std::find_if(env.begin(), env.end(), [&](const std::string& there) { return there.starts_with(name); });
}

}  // namespace

Result<> set_command(runtime::ContainerConfig& config, const std::vector<std::string>& entrypoint,
                     const std::vector<std::string>& words) {
  config.argv = entrypoint;
  config.split_argv.clear();
  if (words.size() != 1 || !needs_shell(words[0])) {
    config.argv.insert(config.argv.end(), words.begin(), words.end());
    return ok();
  }
  config.split_argv = entrypoint;
  for (std::string& word : TRY(shell_words(words[0]), "the command")) config.split_argv.push_back(std::move(word));
  config.argv.insert(config.argv.end(), {"/bin/sh", "-c", words[0]});
  return ok();
}

void put(std::vector<std::string>& env, std::string_view entry) {
  if (const auto there = find_name(env, entry); there != env.end())
    *there = entry;
  else
    env.emplace_back(entry);
}

void put_if_unset(std::vector<std::string>& env, std::string_view entry) {
  if (find_name(env, entry) == env.end()) env.emplace_back(entry);
}

Result<> put_given(std::vector<std::string>& env, const Invocation& invocation) {
  for (const std::string_view entry : invocation.values("env")) {
    if (entry.empty() || entry[0] == '=' || entry.find('\0') != std::string_view::npos)
      return invalid(cat("--env \"", entry, "\" has no name"));
    if (entry.find('=') != std::string_view::npos)
      put(env, entry);
    else if (const char* value = std::getenv(std::string(entry).c_str()))
      put(env, cat(entry, "=", value));
  }
  return ok();
}

bool user_at_terminal() { return runtime::is_terminal(STDIN_FILENO) && runtime::in_foreground(STDIN_FILENO); }

std::string callers_term() {
  const char* term = std::getenv("TERM");
  return cat("TERM=", term ? term : "xterm");
}

Result<> set_directory(runtime::ContainerConfig& config, const Invocation& invocation, std::string_view otherwise) {
  config.directory = invocation.value("workdir").value_or(otherwise);
  if (config.directory.starts_with('/')) return ok();
  return invalid(cat("--workdir \"", config.directory, "\" is not an absolute path"));
}

}  // namespace convox::cli
