// Where does a test run convox without touching the machine, and how does it know that nothing was left?
//
//   Test(run, gives_the_status_of_the_command) {
//     REQUIRE(Root | UserNamespaces);
//     Sandbox box;
//     box.add_testbox_app();
//     EXPECT_STATUS(box.convox({"run", "web", "testbox", "exit", "7"}), 7);
//     EXPECT_NOTHING_LEFT(box);
//   }
//
// A box is a directory on a real file system (overlayfs refuses upper layers on an overlay) with state directories of
// its own (lib/, run/) and an application directory (app/), in which the programs are started. Programs come from
// CONVOX_BUILD. Read next: program.h, census.h, image.h.
#pragma once
#include <string>
#include <vector>

#include "tests/support/census.h"
#include "tests/support/files.h"
#include "tests/support/program.h"

namespace convox::test {

class Sandbox {
 public:
  Sandbox();
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  // build/release, or CONVOX_BUILD: where convox, convox-image and tests/testbox are.
  static std::string build();
  // The same programs built with MODE=faults: build/faults, or CONVOX_FAULTS_BUILD.
  static std::string faults_build();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string app() const { return path_ + "/app"; }
  [[nodiscard]] std::string lib() const { return path_ + "/lib"; }    // CONVOX_ROOT
  [[nodiscard]] std::string state() const { return path_ + "/run"; }  // CONVOX_RUN

  // app/convox.yml with the services `web` and `worker`, and app/image, an OCI image layout with testbox (the
  // entrypoint is empty, PATH leads to it and to busybox's applets) and a few files in /app.
  void add_testbox_app();
  // What every `run` is given as --network that names none itself; empty: nothing, so convox's own default counts. A
  // test that is not about networks needs none, and would share this host's bridges and rules with those that run
  // beside it.
  std::string network = "none";

  // A file below app/.
  void write(const std::string& name, std::string_view content, unsigned mode = 0644);

  // `how` gives stdin, terminal, limit; argv is put before it, environment comes on top of the box's own.
  Ran convox(std::vector<std::string> arguments, Start how = {});
  Program start_convox(std::vector<std::string> arguments, Start how = {});
  Ran run(std::vector<std::string> argv, Start how = {});
  Program start(std::vector<std::string> argv, Start how = {});

  [[nodiscard]] Census census() const { return take_census(path_); }
  // What is there that was not there when the box was made, or when remember() was last called.
  [[nodiscard]] std::string leftovers() const { return difference(before_, census()); }
  // After an import or a first run: their layers, records and state directories are meant to stay.
  void remember() { before_ = census(); }

 private:
  std::string path_;
  Census before_;
};

}  // namespace convox::test
