// Where does convox keep its records?
//
// `root` outlives a reboot (images, layers, apps), `run` does not (what runs now). By default /var/lib/convox and
// /run/convox. Who may move them: the caller, by option, and the environment, but only to a place that nobody else can
// write, because a stranger's state directory would name the images and mounts that root then uses.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::cli {

struct StateRoot {
  std::string root = "/var/lib/convox";
  std::string run = "/run/convox";
};

// What --root and --state-root said, and what the environment says (a parameter, so that tests can be it).
struct StateRootWishes {
  std::optional<std::string> root = {}, state_root = {};
  char* (*environment)(const char*) = nullptr;  // getenv(3)
};

// --root before --state-root before CONVOX_ROOT and CONVOX_RUN before the defaults. The result is absolute.
Result<StateRoot> find_state_root(const StateRootWishes& wishes);

// Is `path`, or its nearest existing parent, a directory of root or of the caller which nobody else can write? Says no
// with a reason. A link is judged by its target.
Result<> check_trusted_directory(const std::string& path);

}  // namespace convox::cli
