#include "cgroups/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <charconv>

#include "cgroups/stats.h"
#include "runtime/base/fs.h"
#include "runtime/base/words.h"

namespace convox::cgroups {
namespace {

constexpr std::size_t kPidsLimit = 32 << 20;  // bytes of cgroup.procs: 4 million pids, the kernel's own limit
constexpr int kDeepest = 64;                  // twice what a container may make (limits.cc, cgroup.max.depth)

Result<std::vector<std::string>> components(std::string_view path) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    names.emplace_back(path.substr(at, end - at));
    if (!fs::is_component(names.back()))
      return invalid(cat("cgroup ", path, ": not a path below the hierarchy's root"));
    at = end + 1;
  }
  return names;
}

std::string words(int dir, const char* file) {
  Result<std::string> text = fs::read_once(dir, file);
  return text ? *std::move(text) : std::string();
}

bool has_all(std::string_view enabled, const std::vector<std::string>& controllers) {
  return std::all_of(controllers.begin(), controllers.end(),
                     [&](const std::string& one) { return has_word(enabled, one); });
}

// Lets the groups below `dir` have the controllers. Looks first: the write takes the lock of all cgroups of the host,
// and usually there is nothing to do.
Result<> hand_down(int dir, const Wanted& wanted, std::string_view where) {
  const std::string enabled = words(dir, "cgroup.subtree_control");
  if (has_all(enabled, wanted.needed) && has_all(enabled, wanted.useful)) return ok();
  const std::string offered = words(dir, "cgroup.controllers");
  std::string needed, useful;
  for (const std::string& one : wanted.needed)
    if (!has_word(enabled, one)) needed += cat("+", one, " ");
  for (const std::string& one : wanted.useful)
    if (!has_word(enabled, one) && has_word(offered, one)) useful += cat("+", one, " ");
  if (needed.empty() && useful.empty()) return ok();
  Result<> done = fs::write_once(dir, "cgroup.subtree_control", cat(needed, useful));
  if (!done && !needed.empty() && !useful.empty()) done = fs::write_once(dir, "cgroup.subtree_control", needed);
  if (done || needed.empty()) return ok();
  // Other than the real root, a group has either processes or controllers below it.  cgroups(7), "no internal
  // processes" The root that a container sees is not the real one.
  const bool has_processes = done.error().code == EBUSY;
  Error error = std::move(done).error().under(cat("handing ", needed, "down from ", where));
  return has_processes ? std::move(error).advise("move the processes of that cgroup to one below it")
                       : std::move(error);
}

// Opens the group above a new one, ready to hand it the controllers. Its own ancestors are made and made ready where
// this is the first container since boot.
Result<UniqueFd> ready_parent(int root, const std::vector<std::string>& names, const Wanted& wanted) {
  std::string path = ".";
  for (const std::string& one : names) path += cat("/", one);
  if (Result<UniqueFd> parent = fs::open_beneath(root, path, O_RDONLY | O_DIRECTORY)) {
    const std::string enabled = words(parent->get(), "cgroup.subtree_control");
    if (has_all(enabled, wanted.needed) && has_all(enabled, wanted.useful)) return parent;
  }
  TRY(hand_down(root, wanted, "the root"));
  UniqueFd at = TRY(fs::open_beneath(root, ".", O_RDONLY | O_DIRECTORY));
  for (const std::string& one : names) {
    at = TRY(fs::make_and_open_directory(at.get(), one, 0755));
    TRY(hand_down(at.get(), wanted, one));
  }
  return at;
}

bool is_gone(long result) { return result == -ENOENT || result == -ENODEV; }  // ENODEV: open, and removed since

// The groups below `dir`. What else is in there are files, which belong to the kernel and vanish with their group. A
// directory has two links and one for each directory in it, here too: fs/kernfs/inode.c, kernfs_refresh_inode. Most
// containers have no groups of their own, and to find none by a listing means to look at fifty files.
Result<std::vector<std::string>> groups_below(int dir) {
  struct stat self {};
  const long seen = sys::newfstatat(dir, "", &self, AT_EMPTY_PATH);
  if (is_gone(seen) || (seen == 0 && self.st_nlink <= 2)) return std::vector<std::string>();
  std::vector<std::string> names = TRY(fs::list(dir));
  std::erase_if(names, [dir](const std::string& entry) {
    struct stat st {};
    return sys::newfstatat(dir, entry.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode);
  });
  return names;
}

Result<> remove_group(int parent, const std::string& name, int depth) {
  long removed = sys::unlinkat(parent, name.c_str(), AT_REMOVEDIR);
  if (removed == -EBUSY && depth < kDeepest) {  // live processes, or groups below
    const UniqueFd dir = TRY(fs::open_beneath(parent, name, O_RDONLY | O_DIRECTORY));
    const std::vector<std::string> below = TRY(groups_below(dir.get()));
    for (const std::string& group : below) TRY(remove_group(dir.get(), group, depth + 1), name);
    removed = sys::unlinkat(parent, name.c_str(), AT_REMOVEDIR);
  }
  if (removed == 0 || is_gone(removed)) return ok();
  return os_error("rmdir", name, Errno(removed));
}

// A threaded group's processes are listed by the group above it that is not: reading here says EOPNOTSUPP.
Result<> add_processes(int dir, std::vector<int>& pids, int depth) {
  const UniqueFd file(sys::openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC));
  if (!file) return ok();  // removed since it was listed
  const Result<std::string> text = fs::read_all(file.get(), "cgroup.procs", kPidsLimit);
  if (!text && !is_gone(-text.error().code) && text.error().code != EOPNOTSUPP) return text.error();
  if (text)
    for (const char *at = text->data(), *end = at + text->size(); at < end; ++at) {
      int pid = 0;
      at = std::from_chars(at, end, pid).ptr;
      pids.push_back(pid);
    }
  const Result<std::vector<std::string>> below = groups_below(dir);
  if (!below) return is_gone(-below.error().code) ? ok() : Result<>(below.error());
  if (!below->empty() && depth == kDeepest) return invalid("cgroups are nested too deep");
  for (const std::string& group : *below) {
    const UniqueFd next(sys::openat(dir, group.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (next) TRY(add_processes(next.get(), pids, depth + 1));
  }
  return ok();
}

std::int64_t monotonic_milliseconds() {
  timespec now{};
  sys::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

std::vector<std::string> counting() { return {"cpu", "memory", "pids", "io"}; }

Result<Cgroup> Cgroup::create(const Hierarchy& hierarchy, std::string_view path, const Wanted& wanted) {
  const std::string doing = cat("making the cgroup ", path);
  TRY(check_controllers(wanted.needed, hierarchy));
  std::vector<std::string> names = TRY(components(path));
  const std::string leaf = std::move(names.back());
  names.pop_back();
  Wanted possible = wanted;
  std::erase_if(possible.useful, [&](const std::string& one) { return !has_word(hierarchy.offered, one); });
  // Searchable by all: up to Linux 6.15 a mount of cgroup2 walks to the root of its cgroup namespace by name, with the
  // rights of whoever mounts, the container's root.  fs/kernfs/mount.c, kernfs_node_dentry
  const fs::PlainModes modes;
  const UniqueFd root = TRY(fs::open(hierarchy.mount_point, O_RDONLY | O_DIRECTORY), doing);
  UniqueFd parent = TRY(ready_parent(root.get(), names, possible), doing);
  const long made = sys::mkdirat(parent.get(), leaf.c_str(), 0755);
  const bool exists = wanted.may_exist && made == -EEXIST;
  if (!exists) TRY(check(made, "mkdir", leaf), doing);
  Cgroup group = TRY(opened(std::move(parent), std::string(path), leaf, !exists));
  if (exists && !wanted.may_be_occupied) TRY(group.check_empty(), doing);
  return group;
}

// The group that was just made, or none.
Result<Cgroup> Cgroup::opened(UniqueFd parent, std::string path, const std::string& name, bool made) {
  Result<UniqueFd> dir = fs::open_beneath(parent.get(), name, O_RDONLY | O_DIRECTORY);
  if (!dir) {
    if (made) sys::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR);
    return std::move(dir).error().under(cat("making the cgroup ", path));
  }
  return Cgroup(std::move(parent), *std::move(dir), std::move(path), name);
}

// Whoever is in it would be limited, stopped and killed with the container; and in a frozen one the container would
// never start.
Result<> Cgroup::check_empty() const {
  const std::string events = TRY(fs::read_once(dir_.get(), "cgroup.events"));
  if (flat_value(events, "populated") != 0) return invalid("cgroup is not empty");
  if (flat_value(events, "frozen") != 0) return invalid("cgroup is frozen");
  return ok();
}

Result<Cgroup> Cgroup::create_below(const std::string& name) const {
  const std::string path = cat(path_, "/", name), doing = cat("making the cgroup ", path);
  UniqueFd parent = TRY(fs::open_beneath(dir_.get(), ".", O_RDONLY | O_DIRECTORY), doing);
  const fs::PlainModes modes;
  TRY(check(sys::mkdirat(parent.get(), name.c_str(), 0755), "mkdir", name), doing);
  return opened(std::move(parent), path, name, true);
}

Result<Cgroup> Cgroup::open(const Hierarchy& hierarchy, std::string_view path) {
  const std::string doing = cat("opening the cgroup ", path);
  const std::vector<std::string> names = TRY(components(path));
  const std::string above =
      path.size() == names.back().size() ? "." : std::string(path.substr(0, path.size() - names.back().size() - 1));
  const UniqueFd root = TRY(fs::open(hierarchy.mount_point, O_RDONLY | O_DIRECTORY), doing);
  Result<UniqueFd> parent = fs::open_beneath(root.get(), above, O_RDONLY | O_DIRECTORY);
  Result<UniqueFd> dir =
      parent ? fs::open_beneath(parent->get(), names.back(), O_RDONLY | O_DIRECTORY) : Result<UniqueFd>(parent.error());
  if (!dir && dir.error().code == ENOENT) return not_found(cat(doing, ": there is none"));
  if (!dir) return std::move(dir).error().under(doing);
  return Cgroup(*std::move(parent), *std::move(dir), std::string(path), names.back());
}

Result<Cgroup> Cgroup::again() const {
  UniqueFd parent(TRY(check(sys::fcntl(parent_.get(), F_DUPFD_CLOEXEC, 3), "fcntl", path_)));
  UniqueFd dir(TRY(check(sys::fcntl(dir_.get(), F_DUPFD_CLOEXEC, 3), "fcntl", path_)));
  return Cgroup(std::move(parent), std::move(dir), path_, name_);
}

// The kernel parses each write(2) as one whole request, so the value goes out in a single call.
Result<> Cgroup::set(const Setting& setting) const {
  TRY(fs::write_once(dir_.get(), std::string(setting.file), setting.value), "limiting ", path_);
  return ok();
}

// Some files hold a list, which is changed one line a write: io.max, hugetlb, misc.max.
Result<> Cgroup::write(const FileValue& setting, const Hierarchy& hierarchy) const {
  const std::string doing = cat("limiting ", path_);
  std::string_view rest = setting.value;
  do {
    Result<> done = fs::write_once(dir_.get(), setting.file, cut(rest, '\n'));
    if (done) continue;
    const int code = done.error().code;
    if (code == ENOENT && setting.optional) return ok();
    if (code == ENOENT) TRY(check_controllers(controllers_of({setting}), hierarchy));
    if (code == ENOENT)
      return not_found(cat(doing, ": there is no ", setting.file, ": this kernel or the groups above lack it"));
    Error error = std::move(done).error().under(doing);
    if (setting.file == "memory.max" && (code == EBUSY || code == ENOMEM))
      return std::move(error).advise(cat("a limit of ", setting.value, " bytes is too low: more is in use"));
    return error;
  } while (!rest.empty());
  return ok();
}

Result<> Cgroup::write(const std::vector<FileValue>& settings, const Hierarchy& hierarchy) const {
  for (const FileValue& one : settings) TRY(write(one, hierarchy));
  return ok();
}

Result<> Cgroup::delegate(unsigned uid) const {
  const std::string doing = cat("delegating ", path_);
  constexpr unsigned kSame = ~0U;  // the group stays
  const std::string files = TRY(fs::read_once(AT_FDCWD, "/sys/kernel/cgroup/delegate"), doing);
  TRY(check(sys::fchownat(dir_.get(), "", uid, kSame, AT_EMPTY_PATH), "chown", path_), doing);
  for (std::string_view rest = files; !rest.empty();) {
    const std::string file(cut(rest, '\n'));
    const long done = sys::fchownat(dir_.get(), file.c_str(), uid, kSame, AT_SYMLINK_NOFOLLOW);
    if (done != -ENOENT) TRY(check(done, "chown", file), doing);  // the list has the files of every controller
  }
  return ok();
}

Result<> check_usage(GroupFiles group, const Resources& asked) {
  const auto limit = [](std::optional<std::int64_t> value) { return static_cast<std::uint64_t>(value.value_or(0)); };
  const auto set = [](std::optional<std::int64_t> value) { return value.value_or(0) > 0; };
  const Result<std::string> memory = fs::read_once(group.directory, group.name("memory.current"));
  if (!memory || (!set(asked.memory_limit) && !set(asked.memory_swap))) return ok();  // no controller: no limit either
  const Result<std::string> swapped = fs::read_once(group.directory, group.name("memory.swap.current"));
  const auto value = [](std::string_view text) { return number(cut(text, '\n')).value_or(0); };
  const std::uint64_t used = value(*memory), with_swap = used + (swapped ? value(*swapped) : 0);
  if (set(asked.memory_limit) && used > limit(asked.memory_limit))
    return invalid(
        cat(group.path, ": memory.limit ", limit(asked.memory_limit), " is less than the ", used, " bytes in use"));
  if (set(asked.memory_swap) && with_swap > limit(asked.memory_swap))
    return invalid(cat(group.path, ": memory.swap ", limit(asked.memory_swap), " is less than the ", with_swap,
                       " bytes of memory and swap in use"));
  return ok();
}

Result<std::vector<int>> processes(GroupFiles group) {
  const std::string doing = cat("listing the processes of ", group.path);
  UniqueFd own;
  if (group.from_root)
    own = TRY(fs::open_beneath(group.directory, std::string(group.path), O_PATH | O_DIRECTORY), doing);
  std::vector<int> pids;
  TRY(add_processes(own ? own.get() : group.directory, pids, 0), doing);
  return pids;
}

Result<> Cgroup::kill() const {
  TRY(fs::write_once(dir_.get(), "cgroup.kill", "1"), "killing ", path_);
  return ok();
}

// cgroup.events holds "populated 0|1" and "frozen 0|1"; the kernel wakes whoever polls the file for POLLPRI when a line
// changes. The first read comes before the first poll: a poll tells only of changes since the last read.
Result<> Cgroup::wait_event(std::string_view event, std::uint64_t value, milliseconds within) const {
  const UniqueFd file = TRY(fs::open_beneath(dir_.get(), "cgroup.events", O_RDONLY));
  const std::int64_t deadline = monotonic_milliseconds() + within.count();
  for (;;) {
    char text[256];
    TRY(check(sys::lseek(file.get(), 0, SEEK_SET), "lseek", "cgroup.events"));
    const long size = TRY(check(sys::read(file.get(), text, sizeof text), "read", "cgroup.events"));
    if (flat_value({text, static_cast<std::size_t>(size)}, event) == value) return ok();
    const std::int64_t left = deadline - monotonic_milliseconds();
    if (left <= 0) return os_error("wait", cat(event, " ", value, " in cgroup.events"), Errno(-ETIMEDOUT));
    timespec wait{left / 1000, left % 1000 * 1'000'000};
    pollfd poll{file.get(), POLLPRI, 0};
    const long woken = sys::ppoll(&poll, 1, &wait);
    if (woken < 0 && woken != -EINTR) return os_error("ppoll", "cgroup.events", Errno(woken));
  }
}

Result<> Cgroup::end() const {
  if (remove()) return ok();  // the usual case: nobody is left in it
  TRY(kill());
  TRY(wait_empty(milliseconds{10'000}));
  return remove();
}

Result<> Cgroup::wait_empty(milliseconds within) const {
  Result<> empty = wait_event("populated", 0, within);
  if (!empty && is_gone(-empty.error().code)) return ok();  // somebody removed it, so it was empty
  if (!empty) return std::move(empty).error().under(cat("waiting for the end of ", path_));
  return ok();
}

Result<> Cgroup::freeze(milliseconds within) const {
  const std::string doing = cat("freezing ", path_);
  TRY(fs::write_once(dir_.get(), "cgroup.freeze", "1"), doing);
  Result<> frozen = wait_event("frozen", 1, within);
  if (frozen) return ok();
  // Half frozen is worse than running: the write back lets those go that did stop.
  (void)fs::write_once(dir_.get(), "cgroup.freeze", "0");
  return std::move(frozen).error().under(doing);
}

Result<> Cgroup::thaw(milliseconds within) const {
  const std::string doing = cat("thawing ", path_);
  TRY(fs::write_once(dir_.get(), "cgroup.freeze", "0"), doing);
  TRY(wait_event("frozen", 0, within), doing);
  return ok();
}

Result<> Cgroup::wait_thawed(milliseconds within) const {
  Result<> thawed = wait_event("frozen", 0, within);
  if (!thawed && is_gone(-thawed.error().code)) return ok();
  if (!thawed) return std::move(thawed).error().under(cat("waiting until ", path_, " is thawed"));
  return ok();
}

Result<> Cgroup::remove() const {
  TRY(remove_group(parent_.get(), name_, 0), "removing the cgroup ", path_);
  return ok();
}

}  // namespace convox::cgroups
