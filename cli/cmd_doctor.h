// `convox doctor`: what does this host offer, and what is to be mended?
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kDoctor;

}  // namespace convox::cli
