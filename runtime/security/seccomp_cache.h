// Where does a compiled filter wait for its next use, and why may it be believed then?
//
// One file a program in a directory of ours (0700), named by all that the program depends on: architecture, policy,
// capabilities, libseccomp's version. It goes in by a temporary file and rename, so it is there as a whole or not at
// all. A filter that was cut short or changed would be weaker confinement without any error, so a file is believed only
// if it is a regular one, ours, 0600, if its checksum fits and if the kernel would take it; else it counts as absent.
// The checksum guards against accident. Who can forge it can write root's directory, and needs no weaker filter any
// more. Read next: seccomp.cc.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "runtime/security/capabilities.h"

namespace convox::security {

// "x86_64-convox-1-0000000000200000-libseccomp-2.5.4"
std::string cache_name(CapabilitySet asked);

std::optional<std::string> cached_filter(int dir, const std::string& name);
Result<> cache_filter(int dir, const std::string& name, std::string_view program);

}  // namespace convox::security
