// How is a ContainerConfig kept beside the record of its container?
//
// RUN/c/<id>/config.json, written with the first record; only `update` changes it, its limits. `exec` takes the
// container's confinement from it, a restart launches it again, `inspect` shows it.
#pragma once
#include <string>
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/container_config.h"

namespace convox::runtime {

std::string print(const ContainerConfig& config);
// Every member must be there: what is missing would be a default, and a default could be weaker than what was launched.
Result<ContainerConfig> parse_config(std::string_view text);

}  // namespace convox::runtime
