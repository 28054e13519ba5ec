// Which app is meant, and on which rack?
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::app {

// --app, else CONVOX_APP, else the first line of .convox/app below the current directory, else that directory's name in
// lower case with dots as hyphens. An empty answer counts as none.
Result<std::string> app_name(std::optional<std::string_view> option);

// `^[a-z][a-z0-9-]*$`, at most 63 characters; what apps, services, timers and resources may be called.
bool is_name(std::string_view name);
// The same for an app that is made, with the words for the error.
Result<> check_app_name(std::string_view name);

// Convox's name for where apps live. There is one rack, this host, and it has the host's name.
Result<std::string> rack_name();

}  // namespace convox::app
