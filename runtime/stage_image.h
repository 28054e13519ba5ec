// Where is the stage until it runs? In this program's read-only data.
#pragma once
#include <string_view>

namespace convox::runtime {

// The stage's ELF file, as it was built.
std::string_view stage_image();

}  // namespace convox::runtime
