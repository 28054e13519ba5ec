// What is there on this machine that a container could have left behind?
//
// A census is a set of lines, one a thing: a mount, a cgroup, a process, a namespace, a network link, a file of the
// state. Two censuses are equal when nothing was left; their difference reads as a list of leftovers. Taken from below
// the test process only (it makes itself the reaper of orphans, so nothing that it started can hide from it), and, in
// the private namespaces of scripts/private, complete: no other program mounts, links or makes cgroups there.
#pragma once
#include <set>
#include <string>

namespace convox::test {

using Census = std::multiset<std::string>;

// From now on an orphan below this process becomes its child.  PR_SET_CHILD_SUBREAPER(2const)
void adopt_orphans();

// `state_root` holds lib/ and run/. Contents of unpacked layers (lib/layers/ID/fs) are not listed: they are written
// once.
Census take_census(const std::string& state_root);

// "+ cgroup convox/551967b75abd" for what is new, "- ..." for what is gone; empty when equal.
std::string difference(const Census& before, const Census& after);

// Every link of this network namespace, "index name".
std::multiset<std::string> network_links();

// Where the cgroup v2 hierarchy is mounted, or empty.
std::string cgroup2_mount();

}  // namespace convox::test
