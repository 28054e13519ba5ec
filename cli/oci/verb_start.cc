// convox-oci start: opens the gate at which `create` left a container.
#include "cli/oci/bundle.h"
#include "cli/oci/known.h"
#include "runtime/oci/launch.h"

namespace convox::oci {
namespace {

Result<int> start(const Globals& globals, const Words& words) {
  Claimed claimed = TRY(claim_container(globals, words.arguments[0]));
  Outlets outlets;
  if (claimed.known.state.notifies) {
    const Config config = TRY(kept_config(claimed.known.states, words.arguments[0]));
    add_listener(config, outlets);
  }
  TRY(start(claimed.known.states, claimed.claim, claimed.known.state, outlets));
  return 0;
}

}  // namespace

const Verb kStart = {.name = "start",
                     .usage = "ID",
                     .help = "run the program of a created container",
                     .flags = {},
                     .least = 1,
                     .most = 1,
                     .perform = start};

}  // namespace convox::oci
