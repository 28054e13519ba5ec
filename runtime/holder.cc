#include "runtime/holder.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <time.h>

#include <algorithm>

#include "runtime/base/lock.h"

namespace convox::runtime {
namespace {

constexpr int kRemoval = 12;  // seconds: a disposal gives what it killed ten

bool is_readable(const UniqueFd& fd) {
  pollfd asked{fd.get(), POLLIN, 0};
  timespec at_once{};
  return sys::ppoll(&asked, 1, &at_once) == 1;
}

// Nothing if it has ended: a pidfd of a zombie would be readable for as long as its parent does not wait for it.
UniqueFd living(int pid) {
  if (pid <= 0) return {};
  UniqueFd process(sys::pidfd_open(pid, 0));
  if (process && is_readable(process)) process.reset();
  return process;
}

Result<UniqueFd> watch(int directory, const std::string& id) {
  UniqueFd changes(TRY(check(sys::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify_init1", "")));
  const std::string path = cat("/proc/self/fd/", directory);
  TRY(check(sys::inotify_add_watch(changes.get(), path.c_str(), IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR),
            "inotify_add_watch", id));
  return changes;
}

Result<UniqueFd> any_of(std::initializer_list<const UniqueFd*> all) {
  UniqueFd any(TRY(check(sys::epoll_create1(EPOLL_CLOEXEC), "epoll_create1", "")));
  for (const UniqueFd* one : all) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (*one) TRY(check(sys::epoll_ctl(any.get(), EPOLL_CTL_ADD, one->get(), &event), "epoll_ctl", ""));
  }
  return any;
}

}  // namespace

Result<std::optional<Holder>> find_holder(const Containers& containers, const std::string& id) {
  Holder holder;
  // Not kept open: the directory's removal is announced when its last descriptor closes.
  const auto directory = containers.directory(id);
  if (!directory && directory.error().code == ENOENT) return std::optional<Holder>();
  if (!directory) return directory.error();
  holder.changes_ = TRY(watch(directory->get(), id));
  if (auto record = containers.peek(id); record && *record) holder.record = std::move(**record);
  holder.record.id = id;
  holder.keeper = living(holder.record.holder);
  holder.minder = living(holder.record.minder);
  if (holder.record.phase == Phase::kRunning) holder.payload = living(holder.record.pid);
  if (TRY(try_lock(directory->get(), LockKind::kShared, id))) return std::optional<Holder>();
  if (!holder.keeper && !holder.minder) {
    const Result<> free = lock(directory->get(), LockKind::kShared, cat("container ", id), kRemoval);
    if (free) return std::optional<Holder>();
    if (free.error().code != ETIMEDOUT) return free.error();
  }
  holder.news = TRY(any_of({&holder.changes_, &holder.keeper, &holder.minder}));
  return std::optional(std::move(holder));
}

Result<bool> await_end(const Containers& containers, const std::string& id,
                       std::optional<std::chrono::nanoseconds> within) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  for (;;) {
    const std::optional<Holder> holder = TRY(find_holder(containers, id));
    if (!holder) return true;
    pollfd news{holder->news.get(), POLLIN, 0};
    timespec timeout{};
    if (within) {
      const auto left = std::max<std::chrono::nanoseconds>(*within - (Clock::now() - start), {});
      const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
      timeout = {seconds.count(), (left - seconds).count()};
    }
    const long ready = sys::ppoll(&news, 1, within ? &timeout : nullptr);
    if (ready == -EINTR) continue;
    TRY(check(ready, "ppoll", id));
    if (ready == 0) return false;
  }
}

}  // namespace convox::runtime
