// How is the child made: one clone3 into every new namespace, or into a container, sharing our memory until it executes
// the stage?
//
// CLONE_VM spares the copy of the page tables, the largest part of a clone; with a stack of its own the child may run
// beside us. For as long as it does, it makes raw system calls and touches nothing that we may change: no heap, no
// errno, no locks. A time namespace cannot be had together with CLONE_VM (EINVAL), so then the memory is copied.
// clone(2)
#pragma once
#include <functional>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"
#include "runtime/container_config.h"

struct clone_args;

namespace convox::runtime {

// What the child needs, all of it made before the clone. Must stay as it is until the stage says hello.
struct ChildStart {
  int socket = -1;              // its end of the report socket
  int stage = -1;               // the sealed stage
  int plan = -1;                // the sealed plan
  int stdio[3] = {-1, -1, -1};  // -1: ours, as they are
  std::uint32_t preserved = 0;  // descriptors from 3 on that it keeps too
  std::uint32_t step = 0;       // the number of this step, for its reports
};

// A namespace of somebody else's, open.
struct Joined {
  int fd = -1;
  std::uint64_t kind = 0;  // CLONE_NEW*
};

// Where it will live. In a user namespace other than ours it becomes that one's root first, and if it is not that of a
// container that runs, waits for the word to do so.
struct Birth {
  std::uint64_t kinds = 0;          // CLONE_NEW*: new ones, or with `join` those that the container has of its own
  int join = -1;                    // pidfd of a process of the container
  std::vector<Joined> joined = {};  // in this order, before the new ones are made
  [[nodiscard]] bool has_user_namespace() const;
};

// CLONE_NEW* of a container of convox's.
std::uint64_t kinds_of(const Namespaces& namespaces);

struct Child {
  UniqueFd pidfd;
  int pid = -1;
};

// The stack and the argument vector of the child; owned by the caller, who must not destroy it before the stage runs.
class ChildMemory {
 public:
  ChildMemory() = default;
  ~ChildMemory();
  ChildMemory(const ChildMemory&) = delete;
  ChildMemory& operator=(const ChildMemory&) = delete;
  // `cgroup` is the directory of the leaf the child is born in; -1: ours.
  Result<Child> clone(const Birth& birth, int cgroup, const ChildStart& start);

 private:
  Result<long> clone_among(const std::vector<Joined>& joined, clone_args& args);
  [[noreturn]] static void live(void* self) noexcept;

  void* stack_ = nullptr;
  Birth birth_;
  ChildStart start_;
  int kept_[6] = {};
  std::size_t kept_count_ = 3;
  bool has_user_namespace_ = false;
  int cgroup_namespace_ = -1;  // to be joined by the child
  char socket_digits_[12] = {}, plan_digits_[12] = {};
  char* argv_[4] = {};
  char* envp_[2] = {};
};

// Starts a sealed program of ours in a session of its own, which no terminal's signals reach. Its first argument is the
// number of the first of `handed`, the descriptors that it inherits: it has no others. The pidfd, to be reaped.
Result<UniqueFd> start_program(int program, const char* name, const std::vector<int>& handed);

// A program of somebody else's that runs here, on the host, in a process group of its own.
struct HostProgram {
  std::string path;
  std::vector<std::string> arguments, environment;  // all of both
  int stdio[3] = {-1, -1, -1};                      // all that it has open, but for
  std::vector<int> further = {};                    // what it has from 3 on; ours must lie above those numbers
  int directory = -1;                               // where it works
};
// To be reaped.
Result<Child> start_host_program(const HostProgram& program);

// A process that does nothing in new namespaces until it is killed, or we end.
Result<Child> start_sleeper(std::uint64_t kinds);

// fork(2) into a cgroup: a child with a copy of this memory, whose pid here is 0. For children that go on as convox.
Result<Child> fork_into(int cgroup);

// Runs `deed` in a mount namespace of its own, a copy of ours that ends with it: a task that shares our memory and
// descriptors and has its own namespace, working directory and credentials, while we are suspended (CLONE_VFORK). So it
// is a call: what `deed` opens is open for us, and what it mounts nobody sees. The result is the pidfd of that task, to
// be reaped.
Result<UniqueFd> in_private_mounts(const std::function<void()>& deed);

// For the task of in_private_mounts, which holds our descriptors and so our locks: without it they would outlive us by
// as long as the disk takes. A change of ids clears it, also of file system ids.  PR_SET_PDEATHSIG(2const)
void die_with_parent();

// Waits, at most ten seconds, for what was told to end, or is about to, and reaps it.
void reap(const UniqueFd& pidfd);

}  // namespace convox::runtime
