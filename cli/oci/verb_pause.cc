// convox-oci pause, resume: stop every process where it stands, and let all go on.
#include "cli/oci/known.h"
#include "runtime/oci/end.h"

namespace convox::oci {
namespace {

Result<int> pause(const Globals& globals, const Words& words) {
  const Claimed claimed = TRY(claim_container(globals, words.arguments[0]));
  const Status status = claimed.known.status;
  if (status != Status::kRunning && status != Status::kCreated) return invalid("container not running");
  const cgroups::Hierarchy hierarchy = TRY(hierarchy_or_none());
  TRY(pause(claimed.known.state, hierarchy));
  return 0;
}

Result<int> resume(const Globals& globals, const Words& words) {
  const Claimed claimed = TRY(claim_container(globals, words.arguments[0]));
  const cgroups::Hierarchy hierarchy = TRY(hierarchy_or_none());
  if (!TRY(is_paused(claimed.known.state, hierarchy))) return invalid("container not paused");
  TRY(resume(claimed.known.state, hierarchy));
  return 0;
}

}  // namespace

const Verb kPause = {.name = "pause",
                     .usage = "ID",
                     .help = "stop all processes of a container where they stand",
                     .flags = {},
                     .least = 1,
                     .most = 1,
                     .perform = pause};
const Verb kResume = {
    .name = "resume", .usage = "ID", .help = "let them go on", .flags = {}, .least = 1, .most = 1, .perform = resume};

}  // namespace convox::oci
