#include "runtime/log_watch.h"

#include <sys/inotify.h>

#include <cstring>

namespace convox::runtime {
namespace {

// Directories are named by descriptor, so that one that was renamed or replaced is not mistaken for ours.
Result<int> watch(int inotify, int directory, std::string_view below, unsigned events) {
  const std::string path = cat("/proc/self/fd/", directory, "/", below);
  const long added = sys::inotify_add_watch(inotify, path.c_str(), events | IN_ONLYDIR);
  if (added == -ENOSPC)
    return os_error("inotify_add_watch", "", Errno(added)).advise("fs.inotify.max_user_watches is too low");
  return static_cast<int>(TRY(check(added, "inotify_add_watch", below)));
}

}  // namespace

Result<LogWatch> LogWatch::start(int app, int logs) {
  const long fd = sys::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd == -EMFILE) return os_error("inotify_init1", "", Errno(fd)).advise("fs.inotify.max_user_instances is too low");
  LogWatch made(UniqueFd(TRY(check(fd, "inotify_init1", ""))), logs);
  // The end of `logs` is seen in its parent: its own IN_DELETE_SELF waits until we close it. An app is deleted by
  // renaming it.
  made.app_watch_ = TRY(watch(made.fd_.get(), app, "", IN_DELETE | IN_MOVED_FROM | IN_MOVE_SELF));
  made.logs_watch_ = TRY(watch(made.fd_.get(), logs, "", IN_CREATE | IN_MOVED_TO));
  return made;
}

Result<int> LogWatch::add(const std::string& id) {
  auto added = watch(fd_.get(), logs_, id, IN_CREATE | IN_MODIFY | IN_MOVED_TO);
  if (!added && (added.error().code == ENOENT || added.error().code == ENOTDIR)) return kNone;
  return added;
}

void LogWatch::remove(int watch) {
  if (watch != kNone) sys::inotify_rm_watch(fd_.get(), watch);
}

void LogWatch::tell(int watch, unsigned event, std::string_view name, Changes& changes) const {
  if (event & IN_Q_OVERFLOW) {
    changes.lost = true;
  } else if (watch == app_watch_) {
    changes.all_gone |= (event & (IN_MOVE_SELF | IN_IGNORED)) || name == "logs";
  } else if (watch == logs_watch_) {
    if (event & IN_IGNORED)
      changes.all_gone = true;
    else
      changes.made.emplace_back(name);
  } else if (event & IN_IGNORED) {
    changes.gone.push_back(watch);
  } else if (changes.grown.empty() || changes.grown.back() != watch) {
    changes.grown.push_back(watch);
  }
}

Result<LogWatch::Changes> LogWatch::changes() {
  Changes changes;
  alignas(inotify_event) char buffer[16384];
  for (;;) {
    const long got = sys::read(fd_.get(), buffer, sizeof buffer);
    if (got == -EAGAIN) return changes;
    if (got == -EINTR) continue;
    TRY(check(got, "read", "inotify"));
    for (long at = 0; at < got;) {
      inotify_event event;
      std::memcpy(&event, buffer + at, sizeof event);
      const char* name = buffer + at + sizeof event;  // padded with NULs
      tell(event.wd, event.mask, {name, ::strnlen(name, event.len)}, changes);
      at += static_cast<long>(sizeof event + event.len);
    }
  }
}

}  // namespace convox::runtime
