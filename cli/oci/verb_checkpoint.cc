// convox-oci checkpoint, restore: a container's processes in files, and back. CRIU does that.
#include "cli/oci/known.h"
#include "cli/oci/programs.h"

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

constexpr Flag kRestoreFlags[] = {
    {"bundle", 'b', "DIR", "where config.json is (the current directory)"},
    {"console-socket", 0, "PATH", "a socket that gets the terminal's master"},
    {"image-path", 0, "DIR", "where the images are"},
    {"work-path", 0, "DIR", "where CRIU's log goes"},
    {"tcp-established", 0, "", "with its TCP connections"},
    {"tcp-close", 0, "", "its TCP connections are closed"},
    {"ext-unix-sk", 0, "", "with sockets to processes outside"},
    {"shell-job", 0, "", "with our terminal"},
    {"file-locks", 0, "", "with its file locks"},
    {"manage-cgroups-mode", 0, "soft|full|strict|ignore", "what becomes of cgroups"},
    {"detach", 'd', "", "leave it to itself once it runs"},
    {"pid-file", 0, "FILE", "gets the number of its first process"},
    {"no-subreaper", 0, "", "accepted and not used"},
    {"no-pivot", 0, "", "no pivot_root, for a root that is the initramfs"},
    {"empty-ns", 0, "TYPE", "a namespace whose content was left out", true},
    {"auto-dedup", 0, "", "free pages that have been restored"},
    {"lazy-pages", 0, "", "memory is fetched when it is needed"},
    {"lsm-profile", 0, "TYPE:LABEL", "a label in place of its own"},
    {"lsm-mount-context", 0, "LABEL", "a label for its mounts in place of their own"},
};

Error not_implemented() { return invalid("this build cannot checkpoint or restore"); }

Result<int> checkpoint(const Globals& globals, const Words& words) {
  TRY(find_program("criu"));
  TRY(find_container(globals, words.arguments[0]));
  return not_implemented();
}

Result<int> restore(const Globals&, const Words&) {
  TRY(find_program("criu"));
  return not_implemented();
}

}  // namespace

const Verb kCheckpoint = {.name = "checkpoint",
                          .usage = "[flags] ID",
                          .help = "write a running container into files",
                          .flags = kCheckpointFlags,
                          .least = 1,
                          .most = 1,
                          .perform = checkpoint};
const Verb kRestore = {.name = "restore",
                       .usage = "[flags] ID",
                       .help = "run a container that was written into files",
                       .flags = kRestoreFlags,
                       .least = 1,
                       .most = 1,
                       .perform = restore};

}  // namespace convox::oci
