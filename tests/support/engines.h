// How does a test let a real engine (Podman, containerd, buildah) drive an OCI runtime, and know that nothing was left?
//
//   ReportHook(PRE_ALL)(criterion_test_set*) { Session::begin({"podman", "conmon"}); }
//   ReportHook(POST_ALL)(criterion_global_stats*) { Session::end(); }
//   Test(podman, gives_the_status_of_the_command) {
//     REQUIRE_ENGINE(Root | CgroupV2);          skips, and says which program, or what else, is missing
//     const Podman podman;                      takes the census
//     EXPECT_STATUS(podman({"run", "--rm", "app", "sh", "-c", "exit 7"}), 7);
//     EXPECT_NOTHING_LEFT(podman);
//   }
//
// A session is made before the first test of a program and removed after the last: an image without a registry, a
// store of its own, a cgroup v2 view where engines look for it, and private mounts over every place of the machine that
// an engine writes to or takes its configuration from. It therefore needs scripts/private. The runtime under test is
// RUNTIME, a path; without it the convox-oci of CONVOX_BUILD. Podman knows it by the name `convox-oci`, from the
// drop-in that packaging/ installs. Read next: sandbox.h, census.h.
#pragma once
#include <criterion/criterion.h>
#include <criterion/hooks.h>  // ReportHook

#include <string>
#include <vector>

#include "tests/support/census.h"
#include "tests/support/files.h"
#include "tests/support/needs.h"
#include "tests/support/program.h"

namespace convox::test {

// What all tests of a program share. Made in the process that starts the tests, which inherit its mounts and learn of
// it by its environment.
class Session {
 public:
  static void begin(const std::vector<std::string>& programs);
  static void end();

  // Why its tests are to be skipped, or empty; and why none of them can pass, or empty.
  static std::string missing();
  static std::string trouble();

  static std::string path();     // its directory, on a real file system, 0755
  static std::string tree();     // the image as a directory: testbox_image(), unpacked
  static std::string archive();  // and as a tar file
  static std::string runtime();  // absolute

  // The ordinary user of the rootless tests: in /etc/passwd of these private mounts alone, with subordinate ids and a
  // home directory below path().
  static constexpr unsigned kUser = 64321;
  static std::string home();
  static std::string user_runtime_directory();
};

// First in a test. What the machine lacks is named; a session that could not be made fails every test.
#define REQUIRE_ENGINE(needs)                                                               \
  do {                                                                                      \
    const std::string lacks_ = ::convox::test::Session::missing();                          \
    if (!lacks_.empty()) cr_skip("needs %s", lacks_.c_str());                               \
    const std::string trouble_ = ::convox::test::Session::trouble();                        \
    if (!trouble_.empty()) cr_fatal("the session could not be made: %s", trouble_.c_str()); \
    REQUIRE(needs);                                                                         \
  } while (false)

// One engine in one test: its command line, and what it left.
class Engine {
 public:
  explicit Engine(std::vector<std::string> command);

  Ran operator()(std::vector<std::string> arguments, Start how = {}) const;
  [[nodiscard]] Program start(std::vector<std::string> arguments, Start how = {}) const;

  // What is there that was not there before. Engines clean up behind the back of the command that asked for it (conmon
  // starts a Podman of its own), so this waits for nothing to be left, and for the machine's idea of a long time.
  [[nodiscard]] std::string leftovers() const;

 protected:
  // Calls `use` if no test of this session has yet. True: it did, and what is there now is where this test begins.
  bool first_use(const std::string& name, void (*use)(const Engine& engine)) const;

 private:
  std::vector<std::string> command_;
  Census before_;
};

// As root, with overlayfs; without a network if a test does not say otherwise.
class Podman : public Engine {
 public:
  Podman();
};

// The same as Session::kUser, with the `vfs` driver: it needs neither /dev/fuse nor a kernel with unprivileged
// overlays.
class RootlessPodman : public Engine {
 public:
  RootlessPodman();
};

// Runs a program with an engine's environment.
Program start_beside_engines(std::vector<std::string> argv, Start how = {});

// Without the bytes that a terminal adds, and without the blank space at both ends.
std::string trimmed(std::string text);

// The filters that this process already has: with crun on a host where it must be told a lie (tests/README.md), one.
int own_seccomp_filters();

}  // namespace convox::test
