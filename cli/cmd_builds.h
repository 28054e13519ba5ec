// convox builds, builds info, builds logs, builds import-image
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kBuilds, kBuildsInfo, kBuildsLogs, kBuildsImportImage;

}  // namespace convox::cli
