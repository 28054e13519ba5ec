// What is wanted? One container, described completely, before anything is decided about how.
//
// Every front end ends here: `convox run` with its flags, its release and its image; an OCI bundle's config.json. From
// here on they are one program. Plain data; launch_plan.h turns it into steps.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cgroups/limits.h"
#include "runtime/networks/store.h"
#include "runtime/security/capabilities.h"
#include "runtime/terminal.h"

namespace convox::runtime {

// The eight kinds of namespaces(7): true is a new one, false the host's. A new mount and PID namespace are not a
// choice.
struct Namespaces {
  bool user = true;
  bool network = true;
  bool ipc = true;
  bool uts = true;
  bool cgroup = true;
  bool time = false;
  static constexpr bool mount = true;
  static constexpr bool pid = true;
};

// With a network namespace of its own: the network that it is in, or nothing for lo alone.
struct ContainerNetwork {
  std::string name;                            // of its bridge; the app's
  std::vector<networks::Published> published;  // ports of the host that lead to it

  [[nodiscard]] bool joined() const { return !name.empty(); }
};

struct Volume {
  std::string source;  // an absolute path of the host, opened before the container exists
  std::string target;  // an absolute path inside
  bool read_only = false;
  bool is_file = false;      // the source is no directory
  bool make_source = false;  // a volume of convox's own: made if missing, owned by the container's root
};

struct Tmpfs {
  std::string target;
  std::uint64_t size = 0;  // bytes; 0: the kernel's default, half of memory
};

struct ContainerConfig {
  std::string id;                     // 12 hex digits; hostname, cgroup name and record name
  std::string app, service, release;  // for records and messages

  std::vector<std::string> argv;
  std::vector<std::string> split_argv;  // instead of argv where argv is `/bin/sh -c` and the image has no shell
  std::vector<std::string> env;         // KEY=VALUE, one entry a key
  std::string directory = "/";
  std::string user;  // "", uid, name, uid:gid, name:group: looked up inside the image
  bool never_root = false;
  bool terminal = false;
  std::optional<TerminalSize> terminal_size;  // at the start; the kernel's default is 0 by 0
  bool init = false;                          // a reaping, forwarding PID 1 of ours in front of the command

  Namespaces namespaces;
  ContainerNetwork network;
  security::CapabilitySet capabilities = security::kDefaultCapabilities;
  bool no_new_privileges = true;
  bool seccomp = true;
  bool masks = true;  // masked and read-only paths of /proc and /sys
  bool read_only_root = false;

  std::vector<std::string> layers;  // chain ids, bottom first
  std::vector<Volume> volumes;
  std::vector<std::string> own_volumes;  // directories inside that stay writable under a read-only root
  std::vector<Tmpfs> tmpfs;
  cgroups::Limits limits;
  bool keep = false;  // its files and record outlive it
};

}  // namespace convox::runtime
