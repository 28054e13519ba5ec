// convox env, env get, env set, env unset
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kEnv, kEnvGet, kEnvSet, kEnvUnset;

}  // namespace convox::cli
