// convox apps, apps create, apps info, apps delete
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kApps, kAppsCreate, kAppsInfo, kAppsDelete;

}  // namespace convox::cli
