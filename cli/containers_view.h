// Which container does a command line mean? The first lines of every command that takes a process id.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "runtime/container_list.h"
#include "runtime/host.h"

namespace convox::cli {

struct Containers {
  runtime::Host host;
  runtime::Containers records;

  // All that exist, after what killed commands left has been reaped (a warning says what could not be).
  [[nodiscard]] Result<std::vector<runtime::Listed>> all() const;

  // By id or prefix, of any app unless --app was given. A whole id of one that lives is found without a look at the
  // others.
  [[nodiscard]] Result<runtime::Listed> find(const Invocation& invocation, std::string_view text) const;
  // Also by the name of a service of the app that the command is about.
  [[nodiscard]] Result<runtime::Listed> find_or_service(const Invocation& invocation, std::string_view text) const;
};

Result<Containers> open_containers(const Invocation& invocation);

// --app, CONVOX_APP, .convox/app or the directory's name; the app need not exist.
Result<std::string> app_of(const Invocation& invocation);

}  // namespace convox::cli
