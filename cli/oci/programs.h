// Where is a program of the host?
#pragma once
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::oci {

// In /usr/sbin, /usr/bin, /sbin or /bin: PATH is whatever an engine's caller had. Kind::kNotFound, "NAME is not
// installed".
Result<std::string> find_program(std::string_view name);

}  // namespace convox::oci
