// How does a layer's tree come to be, entry by entry, below one directory descriptor?
//
// Invariants: every name is made or opened relative to the descriptor of its directory, which was itself reached from
// the root component by component with O_NOFOLLOW, so no link of the archive is ever walked (umoci CVE-2021-29136).
// Directories stay root's and 0700 until finish(): their owner, mode and time come last, or a later entry would change
// the time, and a set-group-id directory would give its group to what is made in it.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rootfs/image/lower.h"
#include "rootfs/image/tar_reader.h"
#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::rootfs {

class Tree {
 public:
  // Both must outlive this. `root` is empty.
  Tree(int root, const Lower& lower) : root_(root), lower_(lower) {}

  // A directory, open until the next call. What is missing on the way is made, what is no directory is replaced by one;
  // a directory that no entry speaks of gets the attributes of the one it covers in the layers below, else 0755 of
  // root.
  Result<int> directory(std::string_view path);
  // The directory as an entry describes it.
  Result<> describe(std::string_view path, Attributes attributes);
  // Removes whatever has this name now. `dir` is directory(parent_of(path)).
  Result<> clear(int dir, std::string_view path);

  // The status of a path, no link followed; nothing if it does not exist.
  Result<std::optional<struct stat>> status(std::string_view path) const;
  // The directory of an existing path, no link followed.
  Result<UniqueFd> existing(std::string_view directory) const;

  // Gives all directories their attributes.
  Result<> finish();

 private:
  Result<> make(int dir, const std::string& name, std::string_view path);

  int root_;
  const Lower& lower_;
  struct Step {
    std::string path;
    UniqueFd fd;
  };
  std::vector<Step> way_;  // from the root down to the directory of the last entry: archives go directory by directory
  std::map<std::string, Attributes, std::less<>> directories_;
};

// Sets owner, mode, extended attributes and time, in the one order that works: a change of owner clears set-id bits and
// file capabilities.  chown(2), capabilities(7)
Result<> apply(int fd, const Attributes& attributes, bool mode_is_set);

}  // namespace convox::rootfs
