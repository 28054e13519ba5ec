#include "runtime/containers.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "cgroups/cgroup.h"
#include "runtime/base/first_error.h"
#include "runtime/base/fs.h"
#include "runtime/config_record.h"
#include "runtime/container_network.h"
#include "runtime/ending.h"
#include "runtime/exec_group.h"
#include "runtime/host.h"
#include "runtime/host_ids.h"
#include "runtime/log_store.h"

namespace convox::runtime {
namespace {

constexpr std::size_t kLargestConfig = 1 << 20;
constexpr const char* kConfigName = "config.json";
constexpr const char* kStopName = "stop";

}  // namespace

Result<> dispose_cgroup(const std::string& id, const cgroups::Hierarchy& hierarchy) {
  auto group = cgroups::Cgroup::open(hierarchy, cat("convox/", id));
  if (!group) return group.error().kind == Error::Kind::kNotFound ? ok() : Result<>(std::move(group).error());
  return group->end();
}

Result<Containers> Containers::open(const std::string& run, rootfs::Store store) {
  UniqueFd directory = TRY(fs::open_private_directory(run), "opening ", run);
  UniqueFd containers = TRY(fs::make_and_open_directory(directory.get(), "c", 0700), "opening ", run);
  UniqueFd ids = TRY(fs::make_and_open_directory(directory.get(), "ids", 0700), "opening ", run);
  return Containers(run, std::move(directory), std::move(containers), std::move(ids), std::move(store));
}

Result<UniqueFd> Containers::filter_cache() const { return fs::make_and_open_directory(run_.get(), "seccomp", 0700); }

Result<UniqueFd> Containers::exec_groups() const { return fs::make_and_open_directory(run_.get(), "exec", 0700); }

Result<std::optional<Claim>> Containers::try_claim(const std::string& id) const {
  UniqueFd held;
  return try_claim(id, held);
}

Result<std::optional<Claim>> Containers::try_claim(const std::string& id, UniqueFd& held) const {
  auto directory = fs::open_beneath(containers_.get(), id, O_RDONLY | O_DIRECTORY);
  if (!directory) {
    if (directory.error().code == ENOENT) return std::optional<Claim>();
    return std::move(directory).error();
  }
  const long locked = sys::flock(directory->get(), LOCK_EX | LOCK_NB);
  if (locked == -EWOULDBLOCK) {
    held = std::move(*directory);
    return std::optional<Claim>();
  }
  TRY(check(locked, "flock", id));
  // Between open and flock another process may have removed it: then what we locked is a directory without a name.
  struct stat locked_one {
  }, named{};
  TRY(check(sys::newfstatat(directory->get(), "", &locked_one, AT_EMPTY_PATH), "stat", id));
  const long there = sys::newfstatat(containers_.get(), id.c_str(), &named, AT_SYMLINK_NOFOLLOW);
  if (there == -ENOENT || (there == 0 && locked_one.st_ino != named.st_ino)) return std::optional<Claim>();
  TRY(check(there, "stat", id));
  return std::optional<Claim>(Claim{id, std::move(*directory)});
}

Result<Claim> Containers::claim_new() const {
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::string id = fs::random_hex(6);
    if (storage(id)) continue;  // of one that has ended and was kept
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
  return fs::replace(claim.directory.get(), kRecordName, print(record), 0600, fs::Durable::kNo);
}

Result<> Containers::write(const Claim& claim, const ContainerConfig& config) const {
  const UniqueFd file = TRY(fs::open_beneath(claim.directory.get(), kConfigName, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  return fs::write_all(file.get(), print(config), kConfigName);
}

Result<> Containers::rewrite(const std::string& id, const ContainerConfig& config) const {
  const UniqueFd own = TRY(directory(id));
  return fs::replace(own.get(), kConfigName, print(config), 0600, fs::Durable::kNo);
}

Result<UniqueFd> Containers::directory(const std::string& id) const {
  return fs::open_beneath(containers_.get(), id, O_RDONLY | O_DIRECTORY);
}

Result<ContainerConfig> Containers::config(const std::string& id) const {
  const UniqueFd own = TRY(directory(id));
  const std::string text = TRY(fs::read(own.get(), kConfigName, kLargestConfig));
  return parse_config(text);
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

Result<std::uint32_t> Containers::leased_ids(const std::string& id) const {
  const UniqueFd own = TRY(directory(id));
  char name[16] = {};
  const long size = TRY(check(sys::readlinkat(own.get(), "ids", name, sizeof name - 1), "readlink", "ids"));
  std::uint32_t n = 0;
  const auto [end, error] = std::from_chars(name, name + size, n);
  if (error != std::errc() || end != name + size || n >= kMostLeases) return invalid(cat("a lease named ", name));
  return kFirstHostId + n * kIdsEach;
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

Result<> Containers::dispose(const Claim& claim, const cgroups::Hierarchy& hierarchy, const Record* kept) const {
  // In this order: its ids are for the next one, and its files for nobody, only when no process of it is left. The
  // record goes last, when nothing is left that it would be needed for.
  const std::string doing = cat("removing container ", claim.id);
  TRY(dispose_cgroup(claim.id, hierarchy), doing);
  FirstError note;
  note(release_ids(claim));
  note(leave_network(run_path_, claim.directory.get(), claim.id));
  const auto execs = exec_groups();
  note(execs ? forget_groups(execs->get(), claim.id) : Result<>(execs.error()));
  note(kept ? keep_storage(claim.id, *kept) : remove_storage(claim.id));
  TRY(std::move(note).result(), doing);
  TRY(fs::remove_tree(containers_.get(), claim.id), doing);
  return ok();
}

Result<> Containers::end_round(const Claim& claim, const cgroups::Hierarchy& hierarchy) const {
  const std::string doing = cat("ending container ", claim.id);
  TRY(dispose_cgroup(claim.id, hierarchy), doing);
  FirstError note;
  note(release_ids(claim));
  note(leave_network(run_path_, claim.directory.get(), claim.id));
  TRY(std::move(note).result(), doing);
  return ok();
}

Result<> Containers::note_end(Record& record) const {
  const UniqueFd own = TRY(storage(record.id));
  const auto exit = TRY(read_exit(own.get()));
  note_ending(record, exit);
  if (exit) return ok();  // and the keeper has said so in the log
  if (record.boot_id != TRY(read_boot_id())) record.why = "host rebooted";
  note_in_log(store_.path(), record.app, record.id, cat("ended, and nobody knows how: ", record.why));
  return ok();
}

Result<> Containers::settle(Record& record) const {
  TRY(note_end(record), "container ", record.id);
  return keep_storage(record.id, record);
}

bool Containers::exists(const std::string& id) const {
  return sys::faccessat2(containers_.get(), id.c_str(), F_OK, 0) == 0;
}

Result<> Containers::request_stop(const std::string& id) const {
  const UniqueFd own = TRY(directory(id));
  const UniqueFd made = TRY(fs::open_beneath(own.get(), kStopName, O_WRONLY | O_CREAT, 0600));
  return ok();
}

bool Containers::stop_requested(const Claim& claim) const {
  return sys::faccessat2(claim.directory.get(), kStopName, F_OK, 0) == 0;
}

Result<> Containers::remove_storage(const std::string& id) const {
  const UniqueFd storage = TRY(store_.containers());
  return fs::remove_tree(storage.get(), id);
}

Result<> Containers::keep_storage(const std::string& id, const Record& record) const {
  const UniqueFd storage = TRY(store_.containers());
  const UniqueFd own = TRY(fs::open_beneath(storage.get(), id, O_RDONLY | O_DIRECTORY));
  return fs::replace(own.get(), kRecordName, print(record), 0600, fs::Durable::kYes);
}

Result<UniqueFd> Containers::storage(const std::string& id) const {
  const UniqueFd all = TRY(store_.containers());
  return fs::open_beneath(all.get(), id, O_RDONLY | O_DIRECTORY);
}

Result<Record> Containers::record(const Claim& claim) const {
  auto record = TRY(read_record(claim.directory.get()));
  if (!record) return not_found(cat("container ", claim.id, " has no record"));
  return std::move(*record);
}

Result<std::optional<Record>> Containers::peek(const std::string& id) const {
  const auto own = directory(id);
  if (!own && own.error().code == ENOENT) return std::optional<Record>();
  if (!own) return own.error();
  return read_record(own->get());
}

Result<Claim> Containers::adopt(const std::string& id, int fd) const {
  UniqueFd directory(fd);
  struct stat held {
  }, named{};
  TRY(check(sys::newfstatat(fd, "", &held, AT_EMPTY_PATH), "stat", id));
  TRY(check(sys::newfstatat(containers_.get(), id.c_str(), &named, AT_SYMLINK_NOFOLLOW), "stat", id));
  if (held.st_dev != named.st_dev || held.st_ino != named.st_ino) return invalid(cat("not the claim of ", id));
  TRY(check(sys::flock(fd, LOCK_EX | LOCK_NB), "flock", id));
  TRY(check(sys::fcntl(fd, F_SETFD, FD_CLOEXEC), "fcntl", id));
  return Claim{id, std::move(directory)};
}

Result<std::optional<Record>> Containers::kept_record(const std::string& id) const {
  const UniqueFd storage = TRY(store_.containers());
  const auto own = fs::open_beneath(storage.get(), id, O_RDONLY | O_DIRECTORY);
  if (!own && own.error().code == ENOENT) return std::optional<Record>();
  if (!own) return own.error();
  return read_record(own->get());
}

}  // namespace convox::runtime
