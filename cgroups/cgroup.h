// How is a cgroup made, filled, stopped and removed?
//
// A cgroup is a directory of cgroup2; its files are requests to the kernel. We hold the directory open and reach
// everything through that descriptor: a path could be another group by the time it is used.
// Man page: cgroups(7); kernel: Documentation/admin-guide/cgroup-v2.rst, "Core Interface Files". Read next: stats.h.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "cgroups/hierarchy.h"
#include "cgroups/limits.h"
#include "cgroups/resources.h"
#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::cgroups {

using std::chrono::milliseconds;

// Where the files of a group are read: in its directory or, by who reads a few of a thousand groups and opens no
// directory for them, from the hierarchy's root. Owns nothing.
struct GroupFiles {
  int directory = -1;
  std::string_view path;
  bool from_root = false;
  [[nodiscard]] std::string name(std::string_view file) const {
    return from_root ? cat(path, "/", file) : std::string(file);
  }
};

// Pids in the group and all below it, as the caller's PID namespace sees them (0: not in it).
Result<std::vector<int>> processes(GroupFiles group);

// What a new group is to have.
struct Wanted {
  std::vector<std::string> needed = {};  // controllers, by name, without which it is not made
  std::vector<std::string> useful = {};  // and those that it gets where the groups above have them
  bool may_exist = false;                // a group that is there already is taken, if nobody is in it
  bool may_be_occupied = false;          // or even then: a scope has processes from its beginning
};
// The controllers that count what a group uses.
std::vector<std::string> counting();

// One cgroup, for instance convox/1f2e3d4c5b6a. Invariant: `fd()` is a directory of cgroup2 below the hierarchy's root.
// Destruction closes the descriptors and changes nothing in the kernel; only remove() does.
class Cgroup {
 public:
  // Makes `path` (relative to the hierarchy's root) and the groups above that are missing, and hands the controllers
  // down to it through all of them. Without `may_exist` the last component must not exist yet: EEXIST.
  static Result<Cgroup> create(const Hierarchy& hierarchy, std::string_view path, const Wanted& wanted);
  // Makes the group `name` below this one, without controllers of its own. ENOENT or ENODEV if this one is gone.
  [[nodiscard]] Result<Cgroup> create_below(const std::string& name) const;
  // Kind::kNotFound if there is none.
  static Result<Cgroup> open(const Hierarchy& hierarchy, std::string_view path);

  // A second handle of the same group.
  [[nodiscard]] Result<Cgroup> again() const;

  // For clone_args.cgroup with CLONE_INTO_CGROUP: the child never runs outside its limits.  clone(2)
  [[nodiscard]] int fd() const { return dir_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  operator GroupFiles() const { return {dir_.get(), path_}; }  // NOLINT: a group has the files of one

  Result<> set(const Setting& setting) const;
  // A file that is missing is an error unless it is optional: what was asked for is in force, or is said not to be.
  Result<> write(const FileValue& setting, const Hierarchy& hierarchy) const;
  Result<> write(const std::vector<FileValue>& settings, const Hierarchy& hierarchy) const;
  // Lets this user make groups below it and move its own processes among them.  cgroups(7), "cgroup delegation"
  [[nodiscard]] Result<> delegate(unsigned uid) const;
  [[nodiscard]] Result<std::vector<int>> processes() const { return cgroups::processes(*this); }

  // SIGKILL to everything in the group and below, also to what is being forked at this moment.  cgroup.kill, Linux 5.14
  Result<> kill() const;
  // Removes it, and if processes are left in it, kills them first and waits for their end: ten seconds, for a process
  // in a slow disk's hands does not die before that lets go.
  Result<> end() const;
  // Returns when no live process is left in the group and below.
  Result<> wait_empty(milliseconds within) const;

  // Stops every process where it stands, and returns when all stand. One that cannot be stopped in time is an error,
  // and all run on.
  Result<> freeze(milliseconds within) const;
  Result<> thaw(milliseconds within) const;
  // Returns when somebody has thawed it, or it is gone.
  Result<> wait_thawed(milliseconds within) const;

  // Removes the groups that the container made below, deepest first, then this one. It must be empty. A group that is
  // gone already is success: the undo of a launch may run twice.
  Result<> remove() const;

 private:
  Cgroup(UniqueFd parent, UniqueFd dir, std::string path, std::string name)
      : parent_(std::move(parent)), dir_(std::move(dir)), path_(std::move(path)), name_(std::move(name)) {}
  static Result<Cgroup> opened(UniqueFd parent, std::string path, const std::string& name, bool made);
  [[nodiscard]] Result<> check_empty() const;
  // Waits until cgroup.events says `event` `value`.
  Result<> wait_event(std::string_view event, std::uint64_t value, milliseconds within) const;

  UniqueFd parent_;   // where rmdir is done
  UniqueFd dir_;      // the group itself
  std::string path_;  // for messages
  std::string name_;  // the last component of path_
};

// memory.checkBeforeUpdate: an error if the group uses more than the new limits, under which it would be killed.
Result<> check_usage(GroupFiles group, const Resources& asked);

}  // namespace convox::cgroups
