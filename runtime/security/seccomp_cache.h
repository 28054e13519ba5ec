// Where does a compiled filter wait for its next use, and why may it be believed then?
//
// One file a program in a directory of ours (0700). A program is known by its key: a text with all that it depends on
// (profile or policy, architecture, libseccomp's version, ours). The key lies in the file as a whole and is compared
// byte for byte, so the hash that names the file may be a cheap one: a collision costs a compilation. The file goes in
// under a temporary name and is renamed, so it is there as a whole or not at all. A filter that was cut short or
// changed would be weaker confinement without any error, so a file is believed only if it is a regular one, ours, 0600,
// if its checksum fits and if the kernel would take it; else it counts as absent. The checksum guards against accident.
// Who can forge it can write root's directory, and needs no weaker filter any more. Read next: seccomp.cc, profile.cc.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::security {

// Beyond so many files the oldest go: profiles come and go, and the directory does not grow without end.
inline constexpr std::size_t kCachedPrograms = 64;

// `dir` may be -1: then nothing is found and nothing kept.
std::optional<std::string> cached_program(int dir, std::string_view key);
// A cache that cannot be written makes the next start slow, and this one no less safe: callers may ignore the error.
Result<> cache_program(int dir, std::string_view key, std::string_view program);

// The name of the file for `key`: `program-` and 16 hex digits.
std::string cache_name(std::string_view key);

}  // namespace convox::security
