// convox-oci features: what is implemented here, whatever this kernel has of it.
//
// Engines ask as any user, without a state root, and read both output streams as one.
#include "cli/oci/known.h"
#include "cli/output.h"
#include "runtime/oci/features.h"

namespace convox::oci {
namespace {

Result<int> features(const Globals&, const Words&) {
  TRY(cli::print(features_json()));
  return 0;
}

}  // namespace

const Verb kFeatures = {.name = "features",
                        .usage = "",
                        .help = "print what is implemented, as JSON",
                        .flags = {},
                        .least = 0,
                        .most = 0,
                        .needs_root = false,
                        .perform = features};

}  // namespace convox::oci
