// convox-oci state: what an engine asks most often.
#include "cli/oci/known.h"

namespace convox::oci {
namespace {

Result<int> state(const Globals& globals, const Words& words) {
  const Known known = TRY(find_container(globals, words.arguments[0]));
  TRY(print_line(state_json(known.state, known.status)));
  return 0;
}

}  // namespace

const Verb kState = {.name = "state",
                     .usage = "ID",
                     .help = "print the state of a container as JSON",
                     .flags = {},
                     .least = 1,
                     .most = 1,
                     .perform = state};

}  // namespace convox::oci
