// How does a container get its link, while the rest of it is made?
//
// convox-net is started as soon as the child's network namespace exists, and waited for before the stage gets its
// mounts. If the launch ends early, for whatever reason, it is ended first: what it was doing is then undone by
// Containers::dispose.
#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <signal.h>

#include <chrono>

#include "runtime/base/fs.h"
#include "runtime/container_network.h"
#include "runtime/launch.h"
#include "runtime/overlay.h"
#include "runtime/signals.h"

namespace convox::runtime {

using namespace std::chrono_literals;

Result<> Launch::perform(const LeaseAddress&) {
  lease_ = TRY(join_network(containers_.run_path(), claim_.directory.get(), plan_.config));
  return ok();
}

Result<> Launch::perform(const StartNetwork&) {
  const Program helper = network_helper({"attach", cat(containers_.run_path(), "/net"), lease_->network,
                                         cat(lease_->place.slot), claim_.id, cat("/proc/", child_.pid(), "/ns/net")});
  network_ = TRY(start_program(helper, false));
  return ok();
}

// Not idmapped: it is no container's own, and there to be read.
Result<> Launch::perform(const OpenNames& step) {
  constexpr std::uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  const networks::Store store = TRY(networks::Store::open(containers_.run_path()));
  const UniqueFd file = TRY(store.hosts_file(step.network));
  UniqueFd tree = TRY(clone_tree(file.get(), "", false, "hosts"));
  TRY(set_attributes(tree.get(), attributes, false, false, "hosts"));
  mounts_[slots_of(plan_.config).names] = std::move(tree);
  return ok();
}

Result<> Launch::perform(const AwaitNetwork& step) {
  const Program helper = network_helper({});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(helper.seconds);
  for (;;) {
    pollfd fds[2] = {{network_->process.get(), POLLIN, 0}, {signals_, POLLIN, 0}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left <= 0ms) return Error{Error::Kind::kSystem, ETIMEDOUT, cat(helper.path, " took too long"), {}};
    timespec timeout{left.count() / 1000, left.count() % 1000 * 1'000'000};
    const long ready = sys::ppoll(fds, 2, &timeout);
    if (ready == -EINTR) continue;
    TRY(check(ready, "ppoll", ""));
    if (fds[0].revents) break;
    if (!fds[1].revents) continue;
    if (const int signal = next_signal(signals_); asks_to_end(signal))
      return Error{Error::Kind::kInterrupted, signal, cat("interrupted by signal ", signal, " while starting"), {}};
  }
  convox::Running ended = std::move(*network_);
  network_.reset();
  const Finished finished = TRY(finish_program(std::move(ended), helper));
  TRY(judge(finished), "joining network ", step.name);
  return ok();
}

void Launch::end_network_helper() {
  if (!network_) return;
  sys::pidfd_send_signal(network_->process.get(), SIGKILL);
  reap(network_->process);
  network_.reset();
}

}  // namespace convox::runtime
