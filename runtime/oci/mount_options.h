// What does an option of a mount ask for?
//
// runtime-spec 1.3, config.md, "Linux mount options"; mount(8), "FILESYSTEM-INDEPENDENT MOUNT OPTIONS". The later of
// two that contradict each other wins.
#pragma once
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/oci/config.h"

namespace convox::oci {

// Adds `option` to what `mount` already is. A word that is in no table is for the file system.
Result<> apply_option(Mount& mount, std::string_view option);

// Those that are not for the file system, sorted.
std::vector<std::string_view> mount_option_names();

}  // namespace convox::oci
