// Where are a container's files, for somebody on the host?
//
// Of a running one below the root of its PID 1: one descriptor, from which a walk sees what the container sees, the
// volumes too, for the kernel looks up mounts by where they are and not by who asks. Of a finished one what it left is
// stacked anew, read-only, where nobody else sees it; its volumes are not there any more.
// Nothing below such a root may be reached by a path of the host's: only by descriptors, and paths through
// fs::open_in_root. proc_pid_root(5), openat2(2)
#pragma once
#include <cstdint>

#include "runtime/container_process.h"
#include "runtime/host.h"

namespace convox::runtime {

struct ContainerFiles {
  UniqueFd root;               // O_PATH: "/" inside
  std::uint32_t first_id = 0;  // what uid_t here its root has
  bool shifted = false;        // by a user namespace: kIdsEach ids from first_id on are its own
  bool read_only = false;      // it has ended
  UniqueFd storage;            // of one that has ended: locked as long as it is looked at
};

Result<ContainerFiles> open_files(const Containers& containers, const Host& host, const Listed& container);

// What its image alone shows: the layers of `record` without its own writes, read-only.
Result<UniqueFd> open_image_files(const Containers& containers, const Record& record);

// ROOT/containers/<id>: its own writes, in upper/. Kind::kNotFound if nothing was kept.
Result<UniqueFd> open_storage(const Containers& containers, const Record& record);

}  // namespace convox::runtime
