// convox releases, releases info, releases manifest, releases promote, releases rollback
#pragma once
#include "cli/command.h"

namespace convox::cli {

extern const Command kReleases, kReleasesInfo, kReleasesManifest, kReleasesPromote, kReleasesRollback;

}  // namespace convox::cli
