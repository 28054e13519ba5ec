// convox-oci delete: removes what is left of a container, or with --force all of it.
#include "cli/oci/known.h"
#include "cli/oci/log.h"
#include "runtime/oci/end.h"

namespace convox::oci {
namespace {

constexpr Flag kFlags[] = {
    {"force", 'f', "", "kill it first if it runs; that there is none is no error"},
    {"regex", 'r', "", "delete all containers whose id matches"},
};

// A damaged record keeps nobody from removing what it was of.
Result<> delete_one(const Globals& globals, const std::string& id, bool force) {
  const States states = TRY(States::open(globals.root, false));
  auto claim = states.claim(id);
  if (!claim && claim.error().kind == Error::Kind::kNotFound && force) return ok();
  if (!claim) return std::move(claim).error();
  const auto state = states.read(id);
  if (!state && !force) return Error(state.error()).advise(cat("convox-oci delete --force ", id, " removes it"));
  if (state && state->pid != 0 && !force) {
    const Status status = TRY(status_of(states, *state));
    if (status == Status::kRunning || status == Status::kPaused)
      return invalid(cat("cannot delete container ", id, " that is not stopped: ", name(status)));
  }
  const cgroups::Hierarchy hierarchy = TRY(hierarchy_or_none());
  const auto complaint = TRY(dispose(states, *claim, state ? std::optional(*state) : std::nullopt, hierarchy));
  if (complaint) log_warning(words_of(*complaint));
  return ok();
}

Result<int> remove(const Globals& globals, const Words& words) {
  for (const std::string& id : TRY(ids_of(globals, words))) TRY(delete_one(globals, id, words.has("force")));
  return 0;
}

}  // namespace

const Verb kDelete = {.name = "delete",
                      .usage = "[flags] ID",
                      .help = "remove what a container that has stopped left",
                      .flags = kFlags,
                      .least = 1,
                      .most = 1,
                      .perform = remove};

}  // namespace convox::oci
