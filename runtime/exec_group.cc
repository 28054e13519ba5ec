#include "runtime/exec_group.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "runtime/base/fs.h"

namespace convox::runtime {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kDetached = ".detached";

Result<> forget(int directory, const std::string& file) {
  const long removed = sys::unlinkat(directory, file.c_str(), 0);
  TRY(check(removed == -ENOENT ? 0 : removed, "unlink", cat("exec/", file)));
  return ok();
}

// A new file, and the lock of it; nothing if a command that looks for abandoned ones took it for one.
Result<std::optional<UniqueFd>> claim(int directory, const std::string& file) {
  UniqueFd lock = TRY(fs::open_beneath(directory, file, O_RDWR | O_CREAT | O_EXCL, 0600));
  const long locked = sys::flock(lock.get(), LOCK_EX | LOCK_NB);
  if (locked == -EWOULDBLOCK) return std::optional<UniqueFd>();
  struct stat st {};
  Result<long> seen = check(locked < 0 ? locked : sys::newfstatat(lock.get(), "", &st, AT_EMPTY_PATH), "lock", file);
  if (seen && st.st_nlink == 0) return std::optional<UniqueFd>();
  if (seen) return std::optional<UniqueFd>(std::move(lock));
  (void)forget(directory, file);  // or the next command does
  return std::move(seen).error();
}

Result<> end_if_abandoned(int directory, const std::string& file, const cgroups::Hierarchy& hierarchy) {
  const bool detached = file.ends_with(kDetached);
  const std::string name = detached ? file.substr(0, file.size() - kDetached.size()) : file;
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos) return ok();  // not one of ours
  const Result<UniqueFd> opened = fs::open_beneath(directory, file, O_RDONLY);
  if (!opened && opened.error().code == ENOENT) return ok();  // ended since
  if (!opened) return opened.error();
  if (sys::flock(opened->get(), LOCK_EX | LOCK_NB) < 0) return ok();       // its client lives
  if (sys::faccessat2(directory, file.c_str(), F_OK, 0) < 0) return ok();  // or lived a moment ago, and detached it
  const auto group =
      cgroups::Cgroup::open(hierarchy, cat("convox/", name.substr(0, dot), "/exec-", name.substr(dot + 1)));
  if (!group && group.error().kind != Error::Kind::kNotFound) return group.error();
  if (group && detached && !group->wait_empty(0ms)) return ok();  // its processes live
  if (group) TRY(group->end());
  return forget(directory, file);
}

}  // namespace

Result<ExecGroup> ExecGroup::make(int directory, const std::string& id, const cgroups::Cgroup& container) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::string hex = fs::random_hex(4);
    std::string file = cat(id, ".", hex);
    auto lock = claim(directory, file);
    if (!lock && lock.error().code == EEXIST) continue;
    if (!lock) return std::move(lock).error();
    if (!*lock) continue;
    Result<cgroups::Cgroup> group = container.create_below(cat("exec-", hex));
    if (group) return ExecGroup(directory, std::move(file), std::move(**lock), std::move(*group));
    (void)forget(directory, file);  // or the next command does
    return std::move(group).error();
  }
  return invalid("no free name for its group after 100 attempts");
}

Result<> ExecGroup::detach() {
  const std::string after = cat(file_, kDetached);
  TRY(check(sys::renameat2(directory_, file_.c_str(), directory_, after.c_str(), 0), "rename", cat("exec/", file_)));
  file_ = after;
  return ok();
}

Result<> ExecGroup::end() {
  TRY(group_.end());
  return forget(directory_, file_);
}

Result<> end_abandoned(int directory, const cgroups::Hierarchy& hierarchy) {
  Result<> first = ok();
  for (const std::string& file : TRY(fs::list(directory)))
    if (Result<> ended = end_if_abandoned(directory, file, hierarchy); !ended && first) first = std::move(ended);
  return first;
}

Result<> forget_groups(int directory, const std::string& id) {
  for (const std::string& file : TRY(fs::list(directory)))
    if (file.starts_with(cat(id, "."))) TRY(forget(directory, file));
  return ok();
}

}  // namespace convox::runtime
