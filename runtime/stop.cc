#include "runtime/stop.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>

#include "cgroups/cgroup.h"
#include "runtime/signals.h"

namespace convox::runtime {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kDying = 15s;  // from SIGKILL to the end of the container and of who holds it

}  // namespace

Result<> Stop::begin() {
  Result<> requested = containers_.request_stop(id_);
  if (!requested && requested.error().code == ENOENT) return ok();  // gone since
  TRY(std::move(requested));
  const std::optional<Holder> holder = TRY(find_holder(containers_, id_));
  return holder ? ask(*holder) : ok();
}

// A container may be between two starts, or about to begin one: its record changes under us, until nobody holds it.
Result<Stopped> Stop::finish() {
  for (;;) {
    const std::optional<Holder> holder = TRY(find_holder(containers_, id_));
    if (!holder) return stopped_;
    TRY(ask(*holder));
    TRY(wait(*holder));
  }
}

Result<> Stop::ask(const Holder& holder) {
  const Record& record = holder.record;
  if (record.phase == Phase::kWaiting) {  // its minder sleeps; woken, it sees that it is to stop
    if (holder.minder) sys::pidfd_send_signal(holder.minder.get(), SIGTERM);
    return ok();
  }
  // A record that cannot be read names nobody who could be asked.
  if (record.boot_id.empty()) return stopped_.killed ? ok() : kill(holder);
  if (!holder.payload || record.pid == asked_) return ok();
  asked_ = record.pid;
  const auto grace = grace_.value_or(std::chrono::seconds(record.grace));
  stopped_.unheard = grace > 0s && !answers(record.pid, record.stop_signal);
  if (grace == 0s || stopped_.unheard) return kill(holder);
  const auto group = cgroups::Cgroup::open(host_.cgroups, record.cgroup);
  if (group) TRY(group->thaw(kDying));  // a frozen one would hear nothing
  sys::pidfd_send_signal(holder.payload.get(), record.stop_signal);
  deadline_ = Clock::now() + grace;
  return ok();
}

Result<> Stop::kill(const Holder& holder) {
  stopped_.killed = true;
  deadline_ = Clock::now() + kDying;
  // Somebody may have stopped those who have to see the end.
  for (const UniqueFd* process : {&holder.keeper, &holder.minder})
    if (*process) sys::pidfd_send_signal(process->get(), SIGCONT);
  const auto group = cgroups::Cgroup::open(host_.cgroups, cat("convox/", id_));
  if (!group) return group.error().kind == Error::Kind::kNotFound ? ok() : Result<>(group.error());
  return group->kill();
}

// Until something has changed: the record, a holder's life, or the time.
Result<> Stop::wait(const Holder& holder) {
  for (;;) {
    pollfd fds[2] = {{holder.news.get(), POLLIN, 0}, {signals_, POLLIN, 0}};
    if (!deadline_) deadline_ = Clock::now() + kDying;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(std::max<Clock::duration>(*deadline_ - Clock::now(), 0ms));
    timespec timeout{left.count() / 1000, left.count() % 1000 * 1'000'000};
    const long ready = sys::ppoll(fds, 2, &timeout);
    if (ready == -EINTR) continue;
    TRY(check(ready, "ppoll", ""));
    if (fds[1].revents)
      if (const int signal = next_signal(signals_); asks_to_end(signal))
        return Error{Error::Kind::kInterrupted, signal, cat("interrupted by signal ", signal), {}};
    if (fds[0].revents) return ok();
    if (ready == 0 && stopped_.killed)
      return Error{Error::Kind::kSystem,
                   ETIMEDOUT,
                   cat("process ", id_, " still lives ", kDying.count(), " seconds after SIGKILL"),
                   {}};
    if (ready == 0) return kill(holder);
  }
}

}  // namespace convox::runtime
