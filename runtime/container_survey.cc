// What exists, and what of it is dead? The part of Containers that looks at all of them.
#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>

#include "runtime/base/first_error.h"
#include "runtime/base/fs.h"
#include "runtime/containers.h"
#include "runtime/exec_group.h"

namespace convox::runtime {
namespace {

void show(const Containers::See& see, const std::string& id, Result<std::optional<Record>> record,
          Containers::Place place) {
  if (!record)
    see(id, std::move(record).error(), place);
  else if (*record)
    see(id, std::move(**record), place);
}

}  // namespace

// The last record of a container whose files are to stay, or nothing. Its own record may be torn, foreign or missing:
// everything it owns has its name. Only whether its files are to be kept is for a record to say, and that one lies with
// them. One that never ran has nothing to keep.
Result<std::optional<Record>> Containers::left_by(const Claim& claim) const {
  const auto own = read_record(claim.directory.get());
  auto kept = TRY(kept_record(claim.id));
  if (!kept) return kept;
  if (own && *own) {
    if ((*own)->phase == Phase::kCreating && (*own)->restarts == 0) return std::optional<Record>();
    kept = **own;
  }
  if (kept->remove) return std::optional<Record>();
  if (kept->phase == Phase::kStopped) return kept;
  if (kept->detached && kept->phase != Phase::kWaiting) TRY(note_end(*kept));
  if (!kept->detached) kept->status = kUnknownStatus;
  kept->phase = Phase::kStopped;
  return kept;
}

Result<Containers::Reaped> Containers::reap(const cgroups::Hierarchy& hierarchy) const {
  return survey(hierarchy, nullptr);
}

Result<> Containers::reap(const std::string& id, const cgroups::Hierarchy& hierarchy) const {
  const auto claim = TRY(try_claim(id), "container ", id);
  return claim ? dispose_of_left(*claim, hierarchy) : ok();
}

Result<Containers::Reaped> Containers::survey(const cgroups::Hierarchy& hierarchy, const See& see) const {
  Reaped reaped;
  FirstError note;
  std::vector<std::string> present;  // those that keep their run directory
  const UniqueFd execs = TRY(exec_groups());
  note(end_abandoned(execs.get(), hierarchy));
  for (const std::string& id : TRY(fs::list(containers_.get()))) {
    UniqueFd held;
    auto claim = try_claim(id, held);
    if (claim && !*claim) {  // its supervisor lives, or it is gone
      if (!held) continue;
      auto record = read_record(held.get());
      if (record && !*record) continue;  // somebody is just removing it: what is kept of it comes below
      present.push_back(id);
      if (see) show(see, id, std::move(record), Place::kHeld);
      continue;
    }
    Result<> disposed = claim ? dispose_of_left(**claim, hierarchy) : Result<>(std::move(claim).error());
    reaped.count += disposed.has_value();
    if (!disposed) present.push_back(id);
    note(std::move(disposed));
  }
  if (see) TRY(each_kept(present, see));
  if (auto result = std::move(note).result(); !result) reaped.error = std::move(result).error();
  return reaped;
}

Result<> Containers::dispose_of_left(const Claim& claim, const cgroups::Hierarchy& hierarchy) const {
  const auto kept = TRY(left_by(claim), "container ", claim.id);
  return dispose(claim, hierarchy, kept ? &*kept : nullptr);
}

Result<Containers::Reaped> Containers::sweep_storage(bool kept) const {
  const UniqueFd storage = TRY(store_.containers());
  Reaped swept;
  FirstError note;
  const auto has_record = [&](const std::string& id) {
    return sys::faccessat2(containers_.get(), id.c_str(), F_OK, 0) == 0;
  };
  for (const std::string& id : TRY(fs::list(storage.get()))) {
    if (has_record(id)) continue;  // it is there from before the storage until after it
    auto own = fs::open_beneath(storage.get(), id, O_RDONLY | O_DIRECTORY);
    if (!own) continue;                                           // gone since
    if (sys::flock(own->get(), LOCK_EX | LOCK_NB) < 0) continue;  // in use, by one with another run directory
    if (has_record(id)) continue;
    if (!kept && sys::faccessat2(own->get(), kRecordName, F_OK, 0) == 0) continue;
    Result<> removed = fs::remove_tree(storage.get(), id);
    swept.count += removed.has_value();
    note(std::move(removed));
  }
  note(sweep_leases());
  if (auto result = std::move(note).result(); !result) swept.error = std::move(result).error();
  return swept;
}

Result<> Containers::each(const See& see) const {
  const std::vector<std::string> running = TRY(fs::list(containers_.get()));
  for (const std::string& id : running) {
    const auto own = directory(id);
    if (!own) {
      if (own.error().code != ENOENT) see(id, own.error(), Place::kLeft);
      continue;  // gone since
    }
    const bool held = sys::flock(own->get(), LOCK_SH | LOCK_NB) == -EWOULDBLOCK;
    show(see, id, read_record(own->get()), held ? Place::kHeld : Place::kLeft);
  }
  return each_kept(running, see);
}

Result<> Containers::each_kept(const std::vector<std::string>& not_these, const See& see) const {
  const UniqueFd all = TRY(store_.containers());
  for (const std::string& id : TRY(fs::list(all.get()))) {
    if (std::binary_search(not_these.begin(), not_these.end(), id)) continue;
    auto record = kept_record(id);
    // One that began since we looked has a run directory, from before its storage until after its last record is
    // written. So whatever is read once that directory is not there is the last word.
    if (record && *record && (*record)->phase != Phase::kStopped) {
      if (exists(id)) continue;
      record = kept_record(id);
    }
    show(see, id, std::move(record), Place::kKept);
  }
  return ok();
}

Result<bool> Containers::remove_kept(const std::string& id, const cgroups::Hierarchy& hierarchy) const {
  const UniqueFd all = TRY(store_.containers());
  const auto own = storage(id);
  if (!own && own.error().code == ENOENT) return false;
  if (!own) return own.error();
  if (sys::flock(own->get(), LOCK_EX | LOCK_NB) < 0) return false;
  if (exists(id)) return false;
  // Its run directory may be gone and it lives: no files are taken from under processes.
  TRY(dispose_cgroup(id, hierarchy), "removing container ", id);
  TRY(fs::remove_tree(all.get(), id), "removing container ", id);
  return true;
}

// Of containers whose run directory somebody else has removed.
Result<> Containers::sweep_leases() const {
  for (const std::string& lease : TRY(fs::list(ids_.get()))) {
    char holder[64] = {};
    if (sys::readlinkat(ids_.get(), lease.c_str(), holder, sizeof holder - 1) < 0) continue;
    // A lease is made after its container's directory.
    if (!exists(holder)) TRY(check(sys::unlinkat(ids_.get(), lease.c_str(), 0), "unlink", cat("lease ", lease)));
  }
  return ok();
}

Result<std::vector<Record>> Containers::list() const {
  std::vector<Record> records;
  const UniqueFd storage = TRY(store_.containers());
  for (const UniqueFd* place : {&containers_, &storage})
    for (const std::string& id : TRY(fs::list(place->get()))) {
      auto directory = fs::open_beneath(place->get(), id, O_RDONLY | O_DIRECTORY);
      if (!directory && directory.error().code == ENOENT) continue;  // gone since
      if (!directory) return std::move(directory).error().under(cat("container ", id));
      auto record = read_record(directory->get());
      if (!record) return std::move(record).error().under(cat("container ", id));
      if (*record) records.push_back(std::move(**record));
    }
  return records;
}

}  // namespace convox::runtime
