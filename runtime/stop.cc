#include "runtime/stop.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>

#include "cgroups/cgroup.h"
#include "runtime/holder.h"
#include "runtime/signals.h"

namespace convox::runtime {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kDying = 15s;  // from SIGKILL to the end of the container and of who holds it

class Stopper {
 public:
  Stopper(const Containers& containers, const Host& host, const std::string& id,
          std::optional<std::chrono::seconds> grace, int signals)
      : containers_(containers), host_(host), id_(id), grace_(grace), signals_(signals) {}

  Result<Stopped> stop() {
    Result<> asked = containers_.request_stop(id_);
    if (!asked && asked.error().code == ENOENT) return stopped_;  // gone since
    TRY(std::move(asked));
    // A container may be between two starts, or about to begin one: its record changes under us, until nobody holds it.
    for (;;) {
      const std::optional<Holder> holder = TRY(find_holder(containers_, id_));
      if (!holder) return stopped_;
      TRY(ask(*holder));
      TRY(wait(*holder));
    }
  }

 private:
  Result<> ask(const Holder& holder) {
    if (holder.record.phase == Phase::kWaiting) {  // its minder sleeps; woken, it sees that it is to stop
      if (holder.process) sys::pidfd_send_signal(holder.process.get(), SIGTERM);
      return ok();
    }
    if (!holder.payload || holder.record.pid == asked_) return ok();
    asked_ = holder.record.pid;
    const auto grace = grace_.value_or(std::chrono::seconds(holder.record.grace));
    stopped_.unheard = grace > 0s && !answers(holder.record.pid, holder.record.stop_signal);
    if (grace == 0s || stopped_.unheard) return kill();
    const auto group = cgroups::Cgroup::open(host_.cgroups, holder.record.cgroup);
    if (group) TRY(group->thaw(kDying));  // a frozen one would hear nothing
    sys::pidfd_send_signal(holder.payload.get(), holder.record.stop_signal);
    deadline_ = Clock::now() + grace;
    return ok();
  }

  Result<> kill() {
    stopped_.killed = true;
    deadline_ = Clock::now() + kDying;
    const auto group = cgroups::Cgroup::open(host_.cgroups, cat("convox/", id_));
    if (!group) return group.error().kind == Error::Kind::kNotFound ? ok() : Result<>(group.error());
    return group->kill();
  }

  // Until something has changed: the record, the holder's life, or the time.
  Result<> wait(const Holder& holder) {
    for (;;) {
      pollfd fds[3] = {{holder.changes.get(), POLLIN, 0},
                       {holder.process ? holder.process.get() : -1, POLLIN, 0},
                       {signals_, POLLIN, 0}};
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(
          std::max<Clock::duration>(deadline_.value_or(Clock::now() + kDying) - Clock::now(), 0ms));
      timespec timeout{left.count() / 1000, left.count() % 1000 * 1'000'000};
      const long ready = sys::ppoll(fds, 3, &timeout);
      if (ready == -EINTR) continue;
      TRY(check(ready, "ppoll", ""));
      if (fds[2].revents)
        if (const int signal = next_signal(signals_); asks_to_end(signal))
          return Error{Error::Kind::kInterrupted, signal, cat("interrupted by signal ", signal), {}};
      if (fds[0].revents || fds[1].revents) return ok();
      if (ready == 0 && stopped_.killed)
        return Error{Error::Kind::kSystem,
                     ETIMEDOUT,
                     cat("process ", id_, " still lives ", kDying.count(), " seconds after SIGKILL"),
                     {}};
      if (ready == 0) return kill();
    }
  }

  const Containers& containers_;
  const Host& host_;
  const std::string& id_;
  std::optional<std::chrono::seconds> grace_;
  int signals_;
  Stopped stopped_;
  int asked_ = 0;  // the payload that was sent the signal
  std::optional<Clock::time_point> deadline_;
};

}  // namespace

Result<Stopped> stop(const Containers& containers, const Host& host, const Listed& container,
                     std::optional<std::chrono::seconds> grace, int signals) {
  return Stopper(containers, host, container.record.id, grace, signals).stop();
}

}  // namespace convox::runtime
