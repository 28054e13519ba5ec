#include "runtime/containers.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "cgroups/cgroup.h"
#include "runtime/base/fs.h"
#include "runtime/host_ids.h"

namespace convox::runtime {
namespace {

constexpr std::chrono::milliseconds kDeath{10'000};  // for processes that were sent SIGKILL, busy disks included
constexpr std::size_t kLargestRecord = 1 << 20;

// Keeps the first error and lets the rest of an undo go on.
class FirstError {
 public:
  void operator()(Result<> result) {
    if (!result && !first_) first_ = std::move(result).error();
  }
  Result<> result() && {
    if (first_) return std::move(*first_);
    return ok();
  }

 private:
  std::optional<Error> first_;
};

Result<> dispose_cgroup(const std::string& id, const cgroups::Hierarchy& hierarchy) {
  auto group = cgroups::Cgroup::open(hierarchy, cat("convox/", id));
  if (!group) return group.error().kind == Error::Kind::kNotFound ? ok() : Result<>(std::move(group).error());
  if (group->remove()) return ok();  // the usual case: nobody is left in it
  TRY(group->kill());
  TRY(group->wait_empty(kDeath));
  return group->remove();
}

}  // namespace

Result<Containers> Containers::open(const std::string& run, rootfs::Store store) {
  UniqueFd directory = TRY(fs::open_private_directory(run), "opening ", run);
  UniqueFd containers = TRY(fs::make_and_open_directory(directory.get(), "c", 0700), "opening ", run);
  UniqueFd ids = TRY(fs::make_and_open_directory(directory.get(), "ids", 0700), "opening ", run);
  return Containers(run, std::move(directory), std::move(containers), std::move(ids), std::move(store));
}

Result<UniqueFd> Containers::filter_cache() const { return fs::make_and_open_directory(run_.get(), "seccomp", 0700); }

Result<std::optional<Claim>> Containers::try_claim(const std::string& id) const {
  auto directory = fs::open_beneath(containers_.get(), id, O_RDONLY | O_DIRECTORY);
  if (!directory) {
    if (directory.error().code == ENOENT) return std::optional<Claim>();
    return std::move(directory).error();
  }
  const long locked = sys::flock(directory->get(), LOCK_EX | LOCK_NB);
  if (locked == -EWOULDBLOCK) return std::optional<Claim>();
  TRY(check(locked, "flock", id));
  // Between open and flock another process may have removed it: then what we locked is a directory without a name.
  struct stat held {
  }, named{};
  TRY(check(sys::newfstatat(directory->get(), "", &held, AT_EMPTY_PATH), "stat", id));
  const long there = sys::newfstatat(containers_.get(), id.c_str(), &named, AT_SYMLINK_NOFOLLOW);
  if (there == -ENOENT || (there == 0 && held.st_ino != named.st_ino)) return std::optional<Claim>();
  TRY(check(there, "stat", id));
  return std::optional<Claim>(Claim{id, std::move(*directory)});
}

Result<Claim> Containers::claim_new() const {
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::string id = fs::random_hex(6);
    const long made = sys::mkdirat(containers_.get(), id.c_str(), 0700);
    if (made == -EEXIST) continue;
    TRY(check(made, "mkdir", cat(run_path_, "/c/", id)));
    auto claim = try_claim(id);
    if (!claim) {
      sys::unlinkat(containers_.get(), id.c_str(), AT_REMOVEDIR);  // or the next command reaps it
      return std::move(claim).error();
    }
    // A reaper may come between mkdir and flock and take it for a leftover; then there is another id.
    if (*claim) return std::move(**claim);
  }
  return invalid("no free container id after 100 attempts");
}

Result<> Containers::write(const Claim& claim, const Record& record) const {
  return fs::replace(claim.directory.get(), "state.json", print(record), 0600, fs::Durable::kNo);
}

Result<std::uint32_t> Containers::lease_ids(const Claim& claim) const {
  const std::vector<IdRange> given = TRY(read_subordinate_ids());
  std::vector<std::uint32_t> taken;
  for (const std::string& lease : TRY(fs::list(ids_.get()))) {
    std::uint32_t n = 0;
    std::from_chars(lease.data(), lease.data() + lease.size(), n);
    taken.push_back(n);
  }
  std::sort(taken.begin(), taken.end());
  for (std::uint32_t n = 0; n < kMostLeases; ++n) {
    const std::uint32_t first = kFirstHostId + n * kIdsEach;
    if (std::binary_search(taken.begin(), taken.end(), n) || overlaps(given, {first, kIdsEach})) continue;
    const std::string name = cat(n);
    // The intent first: whoever disposes of this container then knows which lease to look at.
    sys::unlinkat(claim.directory.get(), "ids", 0);  // of an earlier round; if it stays, the next line says EEXIST
    TRY(check(sys::symlinkat(name.c_str(), claim.directory.get(), "ids"), "symlink", "ids"));
    // A link and not a file: it is made together with what it says, so no lease is ever without its holder.
    const long made = sys::symlinkat(claim.id.c_str(), ids_.get(), name.c_str());
    if (made == -EEXIST) continue;  // taken since we looked
    TRY(check(made, "symlink", cat(run_path_, "/ids/", n)));
    return first;
  }
  return invalid("all ranges of host ids are leased");
}

Result<> Containers::release_ids(const Claim& claim) const {
  char name[16] = {}, holder[64] = {};
  const long named = sys::readlinkat(claim.directory.get(), "ids", name, sizeof name - 1);
  if (named == -ENOENT) return ok();
  TRY(check(named, "readlink", "ids"));
  // The intent may be older than the lease: only what is ours is removed.
  const long held = sys::readlinkat(ids_.get(), name, holder, sizeof holder - 1);
  if (held == -ENOENT) return ok();
  TRY(check(held, "readlink", cat(run_path_, "/ids/", name)));
  if (holder == claim.id) TRY(check(sys::unlinkat(ids_.get(), name, 0), "unlink", cat(run_path_, "/ids/", name)));
  return ok();
}

Result<> Containers::dispose(const Claim& claim, const cgroups::Hierarchy& hierarchy) const {
  FirstError note;
  note(dispose_cgroup(claim.id, hierarchy));
  if (auto storage = store_.containers())
    note(fs::remove_tree(storage->get(), claim.id));
  else
    note(std::move(storage).error());
  note(release_ids(claim));
  // The record goes last, and only if nothing is left that it would be needed for.
  Result<> result = std::move(note).result();
  if (result) result = fs::remove_tree(containers_.get(), claim.id);
  if (!result) return std::move(result).error().under(cat("removing container ", claim.id));
  return ok();
}

Result<std::vector<std::string>> Containers::reap(const cgroups::Hierarchy& hierarchy, bool kept) const {
  std::vector<std::string> reaped;
  FirstError note;
  for (const std::string& id : TRY(fs::list(containers_.get()))) {
    auto claim = try_claim(id);
    if (!claim) {
      note(std::move(claim).error());
      continue;
    }
    if (!*claim) continue;  // its supervisor lives
    auto text = fs::read((*claim)->directory.get(), "state.json", kLargestRecord);
    if (!text && text.error().code != ENOENT) {  // perhaps one that was run with --keep
      note(std::move(text).error());
      continue;
    }
    const auto record = text ? parse_record(*text) : Result<Record>(std::move(text).error());
    if (record && record->phase == Phase::kStopped && record->keep && !kept) continue;
    if (auto disposed = dispose(**claim, hierarchy))
      reaped.push_back(id);
    else
      note(std::move(disposed));
  }
  TRY(std::move(note).result());
  return reaped;
}

Result<std::vector<Record>> Containers::list() const {
  std::vector<Record> records;
  for (const std::string& id : TRY(fs::list(containers_.get()))) {
    auto directory = fs::open_beneath(containers_.get(), id, O_RDONLY | O_DIRECTORY);
    auto text = directory ? fs::read(directory->get(), "state.json", kLargestRecord)
                          : Result<std::string>(std::move(directory).error());
    if (!text && text.error().code == ENOENT) continue;  // gone since, or not written yet
    // Whoever collects garbage must know of all: the layers that no record names are removed.
    if (!text) return std::move(text).error().under(cat("container ", id));
    records.push_back(TRY(parse_record(*text), "container ", id));
  }
  return records;
}

}  // namespace convox::runtime
