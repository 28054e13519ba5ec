// convox pause, resume
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kPause, kResume;

}  // namespace convox::cli
