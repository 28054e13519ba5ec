// Which containers exist, what is known of each, and is it alive?
//
//   ROOT/<id>/           0700; flock on this directory: a verb is changing the container
//   ROOT/<id>/state      the record below, at most 1 KiB, and behind it the annotations
//   ROOT/<id>/config.json  as `create` read it; only exec, update, hooks and checkpoint open it
//   ROOT/<id>/gate       the socket on which a created container waits for `start`; gone: it was started
//   ROOT/<id>/notify/    for NOTIFY_SOCKET
//
// The record is written before the first side effect of `create` and replaced as a whole (rename), so a kill at any
// moment leaves one that `delete` can work from. Nobody stays behind to guard a container; so alive is what the kernel
// says: a process of that number, started at that time, in this boot, and no zombie.  proc_pid_stat(5), field 22
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cgroups/hierarchy.h"
#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"
#include "runtime/oci/plan.h"

namespace convox::oci {

struct State {
  std::string version;  // ociVersion of its configuration
  std::string id, bundle, rootfs, owner;
  std::string created;  // RFC 3339, UTC, nanoseconds
  int pid = 0;          // 0: none yet
  std::uint64_t start_time = 0;
  std::string boot;  // the boot's id
  CgroupDriver driver = CgroupDriver::kCgroupfs;
  std::string cgroup;        // below the hierarchy's root; empty: none of its own
  bool made_cgroup = false;  // it is there, and was made for this container: what is in it may be killed
  std::string scope;         // systemd's unit
  std::string resctrl;       // the group that we made there; empty: none
  bool own_pid_namespace = true;
  bool started = false;  // the gate was opened
  bool has_poststart = false, has_poststop = false, notifies = false, notify_socket = false;
  bool traces = false;           // a process executed in it got CAP_SYS_PTRACE, which its configuration does not give
  std::uint32_t namespaces = 0;  // CLONE_NEW* that it has of its own
  bool user_namespace = false;
  Pairs annotations;
};

enum class Status { kCreating, kCreated, kRunning, kPaused, kStopped };
std::string_view name(Status status);  // "running"

// The record as text and back. An error for what is no record.
std::string encode(const State& state);
Result<State> decode(std::string_view text);

// "[A-Za-z0-9_+.-]+", not "." or "..", at most 1024 bytes: `invalid container ID format`.
Result<> check_id(std::string_view id);

// The cgroup of a container, below the hierarchy's root, that the driver cgroupfs makes: cgroupsPath without `.`, `..`
// and doubled slashes, or without one its id.
std::string cgroup_of(std::string_view cgroups_path, std::string_view id);

// A container that this process has locked.
struct Claim {
  std::string id;
  UniqueFd directory;
};

class States {
 public:
  // ROOT, made 0700 where missing if `make`; without it a missing one holds no container.
  static Result<States> open(const std::string& root, bool make);

  // A new directory, locked. `container with given ID already exists`.
  [[nodiscard]] Result<Claim> claim_new(const std::string& id) const;
  // kNotFound, "container `x` does not exist". Waits for a verb that holds it: at most ten seconds.
  [[nodiscard]] Result<Claim> claim(const std::string& id) const;
  [[nodiscard]] Result<> write(const Claim& claim, const State& state) const;
  [[nodiscard]] Result<> write_config(const Claim& claim, std::string_view text) const;
  // Without the lock, as it is just now. kNotFound if there is no such container; kInvalid if its record is damaged, or
  // not written yet.
  [[nodiscard]] Result<State> read(const std::string& id) const;
  [[nodiscard]] Result<std::string> config(const std::string& id) const;
  [[nodiscard]] Result<UniqueFd> directory(const std::string& id) const;
  // Everything below ROOT/<id>, then itself. Success if it is gone.
  [[nodiscard]] Result<> remove(const Claim& claim) const;
  [[nodiscard]] Result<std::vector<std::string>> list() const;  // sorted
  [[nodiscard]] const std::string& path() const { return path_; }
  // ROOT/@seccomp, for compiled filters: no id has an @.
  [[nodiscard]] Result<UniqueFd> filter_cache() const;

 private:
  States(std::string path, UniqueFd root) : path_(std::move(path)), root_(std::move(root)) {}
  std::string path_;
  UniqueFd root_;  // none: there is no ROOT
};

// The first process, if it is alive: its pidfd. Nothing if it ended, is a zombie, or belongs to another boot.
Result<std::optional<UniqueFd>> find_process(const State& state);
// `gate`: ROOT/<id>/gate is there.
Result<Status> status_of(const State& state, bool gate);
Result<Status> status_of(const States& states, const State& state);

// It was told to stop where it stands, created or running. Without a cgroup it cannot be.
Result<bool> is_paused(const State& state, const cgroups::Hierarchy& hierarchy);

// What `state` prints, and hooks read: one line of JSON.
std::string state_json(const State& state, Status status);

// The start time of a process, field 22 of its stat, in ticks.
Result<std::uint64_t> start_time_of(int pid);

}  // namespace convox::oci
