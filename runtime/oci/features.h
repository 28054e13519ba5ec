// What can this runtime do?
//
// runtime-spec 1.3, features.md. It says what is implemented, not what this machine has; but for the flags of seccomp
// that the kernel takes, which the specification wants to know too.
#pragma once
#include <string>

namespace convox::oci {

inline constexpr const char* kOldestVersion = "1.0.0";  // ociVersion
inline constexpr const char* kNewestVersion = "1.3.0";

// The document of `features`, with a newline at its end.
std::string features_json();

}  // namespace convox::oci
