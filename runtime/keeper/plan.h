// What does a keeper know? Everything it will ever need, in one block.
//
// The keeper is the small static program that stays with a detached container (keeper/main.cc). It is executed by the
// process that launched the container, so it is the payload's parent, and finds its plan in the sealed memfd whose
// number is its first argument. Every descriptor it will use is open by then: it opens nothing but its own next log
// segment. The same program has two smaller lives, chosen by the mode: a minder and a watcher.
#pragma once
#include <cstdint>

namespace convox::keeper {

inline constexpr std::uint32_t kMagic = 0x6b787663;  // "cvxk"
inline constexpr std::uint32_t kVersion = 1;

enum class Mode : std::uint32_t {
  kKeep,   // hold a payload: its output, its end, its deadline
  kMind,   // wait for a keeper to end, or for a time to pass, then execute convox, which starts the payload again
  kWatch,  // wait for a client of `exec` to end, then kill what it started
};

// The classic BPF program of the keeper's own seccomp filter lies in the block behind the plan.
struct Filter {
  std::uint32_t at = 0, size = 0;  // bytes
};

// All descriptors are -1 if there is none. They are the keeper's own table: whatever is not named here is closed.
struct Keep {
  std::int32_t payload = -1;                    // pidfd of the container's PID 1, our child
  std::int32_t payload_pid = -1;                // in our PID namespace, for messages
  std::int32_t status = -1;                     // /proc/<pid>/status: does it answer the stop signal?
  std::int32_t output = -1, error_output = -1;  // our ends of its pipes, or
  std::int32_t console = -1;                    // the master of its terminal
  std::int32_t cgroup_kill = -1;                // O_WRONLY; a byte "1" ends all of the container
  std::int32_t memory_events = -1;              // O_RDONLY, none on hybrid hosts
  std::int32_t memory_max = -1;                 // O_RDONLY
  std::int32_t claim = -1;                      // RUN/c/<id>, whose lock says that a keeper lives: held, never used
  std::int32_t exit = -1;                       // ROOT/containers/<id>/exit, O_WRONLY
  std::int32_t logs = -1;                       // the directory of its segments
  std::int32_t segment = -1;                    // the one to go on with, O_WRONLY
  std::int32_t ready = -1;                      // one byte for the one who launched, when nothing can fail any more
  std::uint32_t number = 1;                     // of `segment`
  std::uint32_t oldest = 1;                     // of the segments that exist
  std::uint32_t most_segments = 10;
  std::uint32_t stop_signal = 15;
  std::uint64_t used = 0;          // bytes in `segment`
  std::uint64_t segment_size = 0;  // bytes; from here on the next one is begun
  std::uint64_t written = 0;       // bytes of records in all segments before `segment`
  std::int64_t last = 0;           // time of its last record
  std::int64_t timeout = 0;        // nanoseconds from now; 0: none
  std::int64_t grace = 0;          // nanoseconds from the stop signal to the kill
};

// `program` is executed with `argv` and `envp`, texts behind the plan: each NUL-terminated, one after the other.
struct Mind {
  std::int32_t keeper = -1;   // pidfd of our child, a launcher that became a keeper; or
  std::int32_t claim = -1;    // held, and handed on to `program` under the same number
  std::int32_t program = -1;  // O_PATH of convox
  std::uint32_t argc = 0, envc = 0;
  std::uint32_t texts_at = 0, texts_size = 0;
  std::int64_t delay = 0;  // nanoseconds to wait first; SIGTERM ends the wait early
};

struct Watch {
  std::int32_t client = -1;         // pidfd of the client
  std::int32_t cgroup_kill = -1;    // of the group of the one process tree
  std::int32_t cgroup_events = -1;  // of the same
};

struct Plan {
  std::uint32_t magic = kMagic, version = kVersion;
  std::uint32_t size = 0;  // of the whole block
  Mode mode = Mode::kKeep;
  Keep keep;
  Mind mind;
  Watch watch;
  Filter filter;
};

}  // namespace convox::keeper
