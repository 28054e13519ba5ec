// Which containers exist, whose supervisor lives, and how is one undone?
//
//   RUN/c/<id>/          a container; flock on this directory: its supervisor lives
//   RUN/c/<id>/state.json, config.json      what is known of it, and what was asked for (record.h, config_record.h)
//   RUN/c/<id>/ids       a link whose target is the <n> of its lease
//   RUN/c/<id>/net       its place in a network (networks/store.h)
//   RUN/exec/<id>.<hex>  a command that `exec` started in it (exec_group.h)
//   RUN/ids/<n>          a link whose target is the id of the container that leased host ids 524288 + n * 65536 and the
//                        65,535 after it
//   ROOT/containers/<id>/{upper,work}       flock on this directory: in use
//   RUN/c/<id>/stop                         somebody asked it to stop: it is not started again
//   ROOT/containers/<id>/exit               of a detached one: how its payload ended (ending.h)
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
  // ROOT/containers/<id>. ENOENT if it has none.
  [[nodiscard]] Result<UniqueFd> storage(const std::string& id) const;
  // What state.json of a container that we hold says. kNotFound if it has none.
  [[nodiscard]] Result<Record> record(const Claim& claim) const;
  // The same without the claim, as it is just now; nothing if it has none or is gone.
  [[nodiscard]] Result<std::optional<Record>> peek(const std::string& id) const;
  // The claim of a container that another program handed us as descriptor `fd`. Checked to be what it says.
  [[nodiscard]] Result<Claim> adopt(const std::string& id, int fd) const;
  // Takes the claim of one that nobody holds; nothing if somebody does, or if it is gone.
  [[nodiscard]] Result<std::optional<Claim>> try_claim(const std::string& id) const;
  // For a change while it runs, whose claim somebody else has: replaced as a whole.
  [[nodiscard]] Result<> rewrite(const std::string& id, const ContainerConfig& config) const;
  // What config.json of a container says.
  [[nodiscard]] Result<ContainerConfig> config(const std::string& id) const;

  // The first host id of a range of kIdsEach that no other container has and that /etc/subuid and /etc/subgid give to
  // nobody.
  [[nodiscard]] Result<std::uint32_t> lease_ids(const Claim& claim) const;

  // The first host id of the range that container `id` has leased.
  [[nodiscard]] Result<std::uint32_t> leased_ids(const std::string& id) const;

  // Ends and removes everything of the container: processes, cgroup, leases, storage, record. Stops where processes
  // will not end, since all else is theirs as long as they live. May be repeated. With `kept` its storage stays, with
  // that record.
  [[nodiscard]] Result<> dispose(const Claim& claim, const cgroups::Hierarchy& hierarchy,
                                 const Record* kept = nullptr) const;

  // Writes `record` into the storage of container `id`, durably: from then on its files are to be kept.
  [[nodiscard]] Result<> keep_storage(const std::string& id, const Record& record) const;

  // Ends what is left of a container between two starts: processes, cgroup, leases. Its files and record stay.
  [[nodiscard]] Result<> end_round(const Claim& claim, const cgroups::Hierarchy& hierarchy) const;
  // Puts how its payload ended into the record of a detached container which nobody holds any more.
  [[nodiscard]] Result<> note_end(Record& record) const;
  // Makes the record of one that no run directory knows, since the host was rebooted, say that it has stopped.
  [[nodiscard]] Result<> settle(Record& record) const;

  // Has it a run directory? It has from before its first file, and its log, until after its end.
  [[nodiscard]] bool exists(const std::string& id) const;

  // Somebody wants it to stop for good; whoever would start it again asks first.
  [[nodiscard]] Result<> request_stop(const std::string& id) const;
  [[nodiscard]] bool stop_requested(const Claim& claim) const;

  // Disposes of containers whose supervisor died; goes on past those that cannot be, and tells of the first. One that
  // was to be kept is, with an unknown status. How many are gone.
  struct Reaped {
    std::size_t count = 0;
    std::optional<Error> error;
  };
  [[nodiscard]] Result<Reaped> reap(const cgroups::Hierarchy& hierarchy) const;
  // The same for one: nothing if somebody holds it or it is gone.
  [[nodiscard]] Result<> reap(const std::string& id, const cgroups::Hierarchy& hierarchy) const;

  // Removes storage that belongs to no container any more (a reboot empties RUN, not ROOT) and, with `kept`, that of
  // kept ones. How many are gone.
  [[nodiscard]] Result<Reaped> sweep_storage(bool kept) const;

  // Calls `see` for every container that has a record, those with a run directory first.
  enum class Place {
    kHeld,  // somebody holds its claim: it lives
    kLeft,  // nobody does: to be reaped
    kKept,  // only its storage is there
  };
  using See = std::function<void(const std::string& id, Result<Record> record, Place place)>;
  [[nodiscard]] Result<> each(const See& see) const;
  // `reap` and `each` in one walk, so that who lists a thousand containers opens each of them once. What cannot be
  // reaped is not seen.
  [[nodiscard]] Result<Reaped> survey(const cgroups::Hierarchy& hierarchy, const See& see) const;

  // Removes the files and the record of one that has ended and was kept. False: it is in use, or gone.
  [[nodiscard]] Result<bool> remove_kept(const std::string& id, const cgroups::Hierarchy& hierarchy) const;

  // Of all containers, kept ones too. A record that cannot be read is an error: gc would take its layers away.
  [[nodiscard]] Result<std::vector<Record>> list() const;

  [[nodiscard]] const rootfs::Store& store() const { return store_; }
  [[nodiscard]] const std::string& run_path() const { return run_path_; }
  // RUN/exec, for exec_group.h.
  [[nodiscard]] Result<UniqueFd> exec_groups() const;
  // RUN/seccomp, for compiled filters.
  [[nodiscard]] Result<UniqueFd> filter_cache() const;

 private:
  Containers(std::string run_path, UniqueFd run, UniqueFd containers, UniqueFd ids, rootfs::Store store)
      : run_path_(std::move(run_path)),
        run_(std::move(run)),
        containers_(std::move(containers)),
        ids_(std::move(ids)),
        store_(std::move(store)) {}
  // If somebody else holds it, `held` is its directory.
  [[nodiscard]] Result<std::optional<Claim>> try_claim(const std::string& id, UniqueFd& held) const;
  [[nodiscard]] Result<> each_kept(const std::vector<std::string>& not_these, const See& see) const;
  [[nodiscard]] Result<> dispose_of_left(const Claim& claim, const cgroups::Hierarchy& hierarchy) const;
  [[nodiscard]] Result<std::optional<Record>> left_by(const Claim& claim) const;
  [[nodiscard]] Result<> sweep_leases() const;
  [[nodiscard]] Result<> release_ids(const Claim& claim) const;
  [[nodiscard]] Result<> remove_storage(const std::string& id) const;
  [[nodiscard]] Result<std::optional<Record>> kept_record(const std::string& id) const;

  std::string run_path_;
  UniqueFd run_, containers_, ids_;
  rootfs::Store store_;
};

// Ends what lives in the cgroup of container `id` and removes it. Success if there is none.
Result<> dispose_cgroup(const std::string& id, const cgroups::Hierarchy& hierarchy);

}  // namespace convox::runtime
