#include "runtime/holder.h"

#include <poll.h>
#include <sys/inotify.h>
#include <time.h>

#include <algorithm>

namespace convox::runtime {

Result<std::optional<Holder>> find_holder(const Containers& containers, const std::string& id) {
  Holder holder;
  auto directory = containers.directory(id);
  if (!directory && directory.error().code == ENOENT) return std::optional<Holder>();
  if (!directory) return std::move(directory).error();
  holder.changes = UniqueFd(TRY(check(sys::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify_init1", "")));
  const std::string path = cat("/proc/self/fd/", directory->get());
  TRY(check(sys::inotify_add_watch(holder.changes.get(), path.c_str(), IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR),
            "inotify_add_watch", id));
  auto record = containers.peek(id);
  if (!record) return std::move(record).error();
  if (*record) holder.record = std::move(**record);
  const int pid = holder.record.minder ? holder.record.minder : holder.record.holder;
  if (pid > 0) holder.process = UniqueFd(sys::pidfd_open(pid, 0));
  if (holder.record.phase == Phase::kRunning) holder.payload = UniqueFd(sys::pidfd_open(holder.record.pid, 0));
  if (TRY(containers.try_claim(id))) return std::optional<Holder>();
  return std::optional(std::move(holder));
}

Result<bool> await_end(const Containers& containers, const std::string& id,
                       std::optional<std::chrono::nanoseconds> within) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  for (;;) {
    const std::optional<Holder> holder = TRY(find_holder(containers, id));
    if (!holder) return true;
    pollfd fds[2] = {{holder->changes.get(), POLLIN, 0}, {holder->process ? holder->process.get() : -1, POLLIN, 0}};
    timespec timeout{};
    if (within) {
      const auto left = std::max<std::chrono::nanoseconds>(*within - (Clock::now() - start), {});
      const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
      timeout = {seconds.count(), (left - seconds).count()};
    }
    const long ready = sys::ppoll(fds, 2, within ? &timeout : nullptr);
    if (ready == -EINTR) continue;
    TRY(check(ready, "ppoll", id));
    if (ready == 0) return false;
  }
}

}  // namespace convox::runtime
