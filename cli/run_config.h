// How do flags, a service and its image become a ContainerConfig?
//
// Where two say something about the same thing, the later of these wins: the image, convox.yml, the command line.
#pragma once
#include <signal.h>

#include "cli/app/run_source.h"
#include "cli/command.h"
#include "runtime/container_config.h"
#include "runtime/host.h"
#include "runtime/record.h"

namespace convox::cli {

struct RunConfig {
  runtime::ContainerConfig config;
  int stop_signal = SIGTERM;          // the image's
  int grace = 30;                     // seconds
  std::vector<std::string> warnings;  // lines for stderr: what this host cannot give, or what a flag undoes
};

// `invocation` is of `run`: its arguments are the service and the command's words.
Result<RunConfig> make_run_config(const Invocation& invocation, const app::RunSource& source,
                                  const runtime::Host& host);

// HOSTNAME, where nobody set it: the id.
void name_host(runtime::ContainerConfig& config);

// The first record of a container: what it is, and how to stop it.
runtime::Record record_of(const runtime::ContainerConfig& config, const RunConfig& run,
                          const std::vector<std::string>& command, std::string boot_id);

}  // namespace convox::cli
