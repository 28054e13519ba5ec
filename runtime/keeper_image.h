// Where is the keeper until it runs? In this program's read-only data.
#pragma once
#include <string_view>

namespace convox::runtime {

// The keeper's ELF file, as it was built: keeper, minder and watcher in one.
std::string_view keeper_image();

}  // namespace convox::runtime
