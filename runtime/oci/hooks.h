// How does a hook of the host side run?
//
// runtime-spec 1.3, config.md, "POSIX-platform Hooks": a program of the runtime's own namespaces, with exactly the
// arguments and the environment given, the state of the container on its standard input, and a time limit after which
// its process group is killed. Its output is shown only if it fails.
#pragma once
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"
#include "runtime/oci/config.h"

namespace convox::oci {

// One after the other, in `directory` (the bundle). The first that fails is the error, with what it said.
Result<> run_hooks(const std::vector<Hook>& hooks, std::string_view kind, std::string_view state_json,
                   const std::string& directory);

// All of them, also after one that fails, whose error is the result.
Result<> run_all_hooks(const std::vector<Hook>& hooks, std::string_view kind, std::string_view state_json,
                       const std::string& directory);

// A file that holds `text` at offset 0: what a hook inside the container reads.
Result<UniqueFd> state_file(std::string_view text);

// The end of what one said, as one line: that is where the reason stands.
std::string last_words(const UniqueFd& output);

}  // namespace convox::oci
