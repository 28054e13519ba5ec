// convox-oci checkpoint: a container's processes in files. CRIU writes them.
#include "cli/oci/bundle.h"
#include "cli/oci/criu_words.h"
#include "cli/oci/known.h"

namespace convox::oci {
namespace {

constexpr Flag kCheckpointFlags[] = {
    {"image-path", 0, "DIR", "where the images go"},
    {"work-path", 0, "DIR", "where CRIU's log goes"},
    {"parent-path", 0, "DIR", "the images of an earlier --pre-dump, from --image-path"},
    {"leave-running", 0, "", "let it run on"},
    {"tcp-established", 0, "", "with its TCP connections"},
    {"tcp-skip-in-flight", 0, "", "without connections that are being made"},
    {"link-remap", 0, "", "with files that have been unlinked"},
    {"ext-unix-sk", 0, "", "with sockets to processes outside"},
    {"shell-job", 0, "", "with the terminal of the shell that started it"},
    {"lazy-pages", 0, "", "memory is fetched when it is needed"},
    {"status-fd", 0, "FD", "gets a NUL when the page server is ready"},
    {"page-server", 0, "HOST:PORT", "memory goes there"},
    {"file-locks", 0, "", "with its file locks"},
    {"pre-dump", 0, "", "memory alone, and let it run on"},
    {"manage-cgroups-mode", 0, "soft|full|strict|ignore", "what becomes of cgroups"},
    {"empty-ns", 0, "TYPE", "a namespace whose content is left out", true},
    {"auto-dedup", 0, "", "no page twice"},
    {"network-lock", 0, "iptables|nftables|skip", "how connections are kept from others meanwhile"},
};

Result<int> checkpoint(const Globals& globals, const Words& words) {
  Criu criu = TRY(criu_of(words));
  const Claimed claimed = TRY(claim_container(globals, words.arguments[0]));
  const State& state = claimed.known.state;
  if (claimed.known.status != Status::kRunning) return invalid("container not running");
  const Config config = TRY(kept_config(claimed.known.states, state.id));
  TRY(checkpoint(criu, config, state));
  return 0;
}

}  // namespace

const Verb kCheckpoint = {.name = "checkpoint",
                          .usage = "[flags] ID",
                          .help = "write a running container into files",
                          .flags = kCheckpointFlags,
                          .least = 1,
                          .most = 1,
                          .perform = checkpoint};
}  // namespace convox::oci
