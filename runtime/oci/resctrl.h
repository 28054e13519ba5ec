// Which share of cache and memory bandwidth does a container get (linux.intelRdt)?
//
// resctrl is a file system of control groups of its own, beside cgroups: a directory is a class of service, its file
// `schemata` says which parts of a cache and how much bandwidth the class may use (`L3:0=f;1=f`, `MB:0=50`), its file
// `tasks` who belongs to it. Classes are few (16 or so in the hardware), so several containers may share one by its
// name, closID; without a closID a container has a class named by its id. Monitoring groups lie in a class's directory
// mon_groups. All directories are passed as descriptors of the file system's root, so a test can play it.
// Documentation/arch/x86/resctrl.rst, config-linux.md, "IntelRdt".
#pragma once
#include <string>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"
#include "runtime/oci/config.h"

namespace convox::oci {

// /sys/fs/resctrl, if the file system is mounted there.
Result<UniqueFd> open_resctrl();

// The directory that join_resctrl will make, to be written down before it does: `ID`, `CLOSID`, `CLOSID/mon_groups/ID`,
// `./mon_groups/ID` or nothing. Errors for a closID that is no name, for one that must exist and does not, and for a
// class with the container's id that exists already.
Result<std::string> resctrl_to_make(int resctrl, const IntelRdt& rdt, const std::string& id);

// Makes what is to be made, writes the schemata of a new class or compares those of one that exists, and moves the
// process, which has one thread yet, into the class and the monitoring group. After an error leave_resctrl undoes it.
Result<> join_resctrl(int resctrl, const IntelRdt& rdt, const std::string& id, int pid);

// Removes `made`, as resctrl_to_make said; success if it is gone. A class that others joined meanwhile stays: with the
// directory they would lose their share.
Result<> leave_resctrl(int resctrl, const std::string& made);

}  // namespace convox::oci
