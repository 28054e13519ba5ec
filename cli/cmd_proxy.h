// convox proxy: a port of this host leads to one of a process.
#pragma once
#include "cli/command.h"

namespace convox::cli {
extern const Command kProxy;
}
