// convox networks, networks inspect, networks rm, networks gc
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kNetworks, kNetworksInspect, kNetworksRemove, kNetworksGc;

}  // namespace convox::cli
