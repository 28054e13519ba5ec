// Which containers exist, whose supervisor lives, and how is one undone?
//
//   RUN/c/<id>/          a container; flock on this directory: its supervisor lives
//   RUN/c/<id>/state.json, config.json      what is known of it, and what was asked for (record.h, config_record.h)
//   RUN/c/<id>/ids       a link whose target is the <n> of its lease
//   RUN/ids/<n>          a link whose target is the id of the container that leased host ids 524288 + n * 65536 and the
//                        65,535 after it
//   ROOT/containers/<id>/{upper,work}       flock on this directory: in use
//   ROOT/containers/<id>/state.json         only of one that was kept: all that is left of it
//
// Everything a container owns is named by its id, so undoing needs no memory of what was done: `dispose` removes what
// it finds, in reverse order of the launch, and what is not there is not an error. An error, a signal and a kill -9 all
// end in it. Liveness is a lock, not a pid: the kernel releases it however its holder ends.  flock(2)
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cgroups/hierarchy.h"
#include "rootfs/store.h"
#include "runtime/container_config.h"
#include "runtime/host_ids.h"
#include "runtime/record.h"

namespace convox::runtime {

// A container that this process holds: nobody else launches, reaps or removes it meanwhile.
struct Claim {
  std::string id;
  UniqueFd directory;  // RUN/c/<id>, locked
};

class Containers {
 public:
  // `run` is CONVOX_RUN. The directories are made where missing, 0700.
  static Result<Containers> open(const std::string& run, rootfs::Store store);

  // A new id that no container has, its directory made and locked.
  [[nodiscard]] Result<Claim> claim_new() const;
  [[nodiscard]] Result<> write(const Claim& claim, const Record& record) const;
  // Once, before the record.
  [[nodiscard]] Result<> write(const Claim& claim, const ContainerConfig& config) const;
  // RUN/c/<id>, not locked: for its other files. Kind::kSystem with ENOENT if it is gone.
  [[nodiscard]] Result<UniqueFd> directory(const std::string& id) const;
  // What config.json of a container says.
  [[nodiscard]] Result<ContainerConfig> config(const std::string& id) const;

  // The first host id of a range of kIdsEach that no other container has and that /etc/subuid and /etc/subgid give to
  // nobody.
  [[nodiscard]] Result<std::uint32_t> lease_ids(const Claim& claim) const;
  // The first of those of a container that has them: one with a user namespace.
  [[nodiscard]] Result<std::optional<std::uint32_t>> leased_ids(const std::string& id) const;

  // Ends and removes everything of the container: processes, cgroup, lease, storage, record. Stops where processes will
  // not end, since all else is theirs as long as they live. May be repeated. With `kept` its storage stays, with that
  // record.
  [[nodiscard]] Result<> dispose(const Claim& claim, const cgroups::Hierarchy& hierarchy,
                                 const Record* kept = nullptr) const;

  // Writes `record` into the storage of container `id`, durably: from then on its files are to be kept.
  [[nodiscard]] Result<> keep_storage(const std::string& id, const Record& record) const;

  // Disposes of containers whose supervisor died; goes on past those that cannot be, and tells of the first. One that
  // was to be kept is, with an unknown status. How many are gone.
  struct Reaped {
    std::size_t count = 0;
    std::optional<Error> error;
  };
  [[nodiscard]] Result<Reaped> reap(const cgroups::Hierarchy& hierarchy) const;

  // Removes storage that belongs to no container any more (a reboot empties RUN, not ROOT) and, with `kept`, that of
  // kept ones. How many are gone.
  [[nodiscard]] Result<Reaped> sweep_storage(bool kept) const;

  // Calls `see` for every container that has a record, first those that are not disposed of (`live`: somebody holds the
  // claim), then the kept ones.
  [[nodiscard]] Result<> each(
      const std::function<void(const std::string& id, Result<Record> record, bool live)>& see) const;

  // Of all containers, kept ones too. A record that cannot be read is an error: gc would take its layers away.
  [[nodiscard]] Result<std::vector<Record>> list() const;

  [[nodiscard]] const rootfs::Store& store() const { return store_; }
  [[nodiscard]] const std::string& run_path() const { return run_path_; }
  // RUN/seccomp, for compiled filters.
  [[nodiscard]] Result<UniqueFd> filter_cache() const;

 private:
  Containers(std::string run_path, UniqueFd run, UniqueFd containers, UniqueFd ids, rootfs::Store store)
      : run_path_(std::move(run_path)),
        run_(std::move(run)),
        containers_(std::move(containers)),
        ids_(std::move(ids)),
        store_(std::move(store)) {}
  // Locks RUN/c/<id>; nothing if another process holds it or it is gone.
  [[nodiscard]] Result<std::optional<Claim>> try_claim(const std::string& id) const;
  [[nodiscard]] Result<> release_ids(const Claim& claim) const;
  [[nodiscard]] Result<> remove_storage(const std::string& id) const;
  [[nodiscard]] Result<std::optional<Record>> kept_record(const std::string& id) const;

  std::string run_path_;
  UniqueFd run_, containers_, ids_;
  rootfs::Store store_;
};

}  // namespace convox::runtime
