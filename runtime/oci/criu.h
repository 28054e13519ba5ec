// How are the processes of a container written into files, and made again of them? By CRIU, a program of its own.
//
// It is told what lies outside of the container and so in no file: the sources of bind mounts, namespaces that were
// joined, and what is behind descriptors 0, 1 and 2. The images get one file of ours, descriptors.json, with the three
// link texts of those; a pipe among them is replaced by what `restore` has there. criu(8)
#pragma once
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/oci/state.h"

namespace convox::oci {

struct Criu {
  std::string program;              // its path
  std::string images, work;         // directories, absolute; work: where its log goes
  std::vector<std::string> passed;  // options of the command line, as CRIU spells them
  std::string parent;               // images of an earlier pre-dump, relative to `images`; empty: none
  bool pre_dump = false;
  int status_fd = -1;  // of ours, for --lazy-pages; -1: none
};

// What becomes of descriptor N of the program, N from 3 on: a descriptor of ours.
struct CriuCall {
  std::vector<std::string> arguments;  // with argv[0]
  std::vector<int> further;
};

// A namespace of somebody else's that the container is in.
struct External {
  Kind kind = Kind::kNetwork;
  std::string path;
  std::uint64_t inode = 0;
};

// Both are pure. `links`: what descriptors.json says. `namespaces`: one a descriptor of ours, in their order.
std::vector<std::string> dump_arguments(const Criu& criu, const Config& config, const State& state,
                                        const std::vector<External>& namespaces);
std::vector<std::string> restore_arguments(const Criu& criu, const Config& config, const State& state,
                                           const std::vector<External>& namespaces,
                                           const std::vector<std::string>& links, const std::string& pid_file);

// The network and PID namespaces that a configuration joins by path.
Result<std::vector<External>> external_namespaces(const Config& config);

// Afterwards the container has ended, unless it was to run on.
Result<> checkpoint(const Criu& criu, const Config& config, const State& state);

// The number of the first process, which is our child and runs. The caller is alone in its mount namespace, for the
// root becomes a mount there.
Result<int> restore(const Criu& criu, const Config& config, const State& state, const UniqueFd& directory);

}  // namespace convox::oci
