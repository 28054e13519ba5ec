// Do the parts of a manifest fit together?
//
// Everything that is wrong is said at once, in Convox's words and in its order: configs, balancers, resources,
// services, timers.
#pragma once
#include "cli/app/manifest.h"

namespace convox::app {

// The error is "validation errors:", its `more` one line for each.
Result<> validate(const Manifest& manifest);

// A range of addresses, "10.0.0.0/8" or "fd00::/8".
bool is_cidr(const std::string& text);

}  // namespace convox::app
