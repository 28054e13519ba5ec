// Which OCI runtime is being judged, and what may it not be asked for?
//
// RUNTIME names it: a path, or a name that is looked for in PATH. Without it, it is the convox-oci of CONVOX_BUILD.
// The suite is exact with convox-oci. crun and runc are here so that the suite itself is judged: what both of them do
// must pass, and what Debian's versions of them cannot do is named, test by test, with LIMITATION.
#pragma once
#include <criterion/criterion.h>

#include <string>

namespace convox::test {

enum Runtime : unsigned { Convox = 1, Crun = 2, Runc = 4 };

// The absolute path of the program.
std::string runtime_path();
// By its file name; an unknown one is judged like convox-oci.
Runtime judged();
inline bool is_convox() { return judged() == Convox; }

// What this machine lacks for a container made by `judged()`, beside needs.h: the cgroup v2 hierarchy is mounted on
// /sys/fs/cgroup (in the private mount namespace of scripts/private, once for the whole program), where every OCI
// runtime looks for it. Empty, or a reason to skip.
std::string missing_for_containers();

}  // namespace convox::test

// First in every test that makes a container: a skip runs no destructors.
#define REQUIRE_CONTAINERS()                                             \
  do {                                                                   \
    const std::string lacks_ = ::convox::test::missing_for_containers(); \
    if (!lacks_.empty()) cr_skip("needs %s", lacks_.c_str());            \
  } while (false)

// LIMITATION(Crun | Runc, "have no such flag"): skips when one of these is judged; the reason says which, and what it
// cannot do.
#define LIMITATION(runtimes, what)                                                                 \
  do {                                                                                             \
    if (static_cast<unsigned>(::convox::test::judged()) & static_cast<unsigned>(runtimes))         \
      cr_skip("%s: %s", ::convox::test::judged() == ::convox::test::Crun ? "crun" : "runc", what); \
  } while (false)
