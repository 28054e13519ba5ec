// What is in the bundle that `create` and `run` are given, and what does the command line add to it?
#pragma once
#include "cli/oci/verb.h"
#include "runtime/oci/config.h"
#include "runtime/oci/launch.h"
#include "runtime/oci/state.h"

namespace convox::oci {

struct Bundle {
  std::string path;      // absolute
  std::string text;      // of config.json
  Config config;         // checked
  bool entered = false;  // its new user namespace is ours by now, and no longer on its list
};

// --bundle and --config. Reads the configuration once: a later change of the file changes nothing.
Result<Bundle> read_bundle(const Words& words);

// As `create` kept it.
Result<Config> kept_config(const States& states, const std::string& id);

// --pid-file, --console-socket, --pidfd-socket. An error if the socket and the terminal do not fit: one that leaves the
// container to itself can relay no terminal.
Result<Outlets> outlets_of(const Words& words, bool terminal, bool detached);
// And who gets the seccomp listener.
void add_listener(const Config& config, Outlets& outlets);

// --preserve-fds.
Result<std::uint32_t> preserved_of(const Words& words);

// The seccomp program of a configuration, or nothing.
Result<std::string> filter_of(const Config& config, const States& states);

// What this host labels by; looked at only where a label is asked for.
SecurityModules modules_for(const Process& process, const std::string& mount_label);

// The record of a container that is about to be made.
State first_state(const Bundle& bundle, const Wishes& wishes);

// Where CONVOX_TRACE says: one line a step. Nothing without it.
Result<UniqueFd> open_trace();
runtime::StepDone trace_to(const UniqueFd& file, const Plan& plan);

}  // namespace convox::oci
