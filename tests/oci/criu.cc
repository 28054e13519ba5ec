// checkpoint and restore: a container that goes through them, where CRIU works (few kernels please it); and what CRIU
// is called with, by a stand-in for it that writes down its arguments.
#include <sys/mount.h>
#include <unistd.h>

#include <optional>

#include "tests/oci/support/container.h"
#include "tests/support/wait.h"

using namespace convox::test;

namespace {

constexpr const char* kCriu = "/usr/sbin/criu";

// Stands for CRIU in this program's private mounts. A restore makes a process that sleeps. What cannot be executed
// stands for none.
class StandIn {
 public:
  explicit StandIn(const std::string& directory, unsigned mode = 0755) : log_(directory + "/criu-log") {
    const std::string script = directory + "/criu";
    write_file(script,
               cat("#!/bin/sh\necho \"$@\" >>", log_,
                   "\n[ $1 = restore ] || exit 0\nwhile [ $# -gt 0 ]; do [ $1 = --pidfile ] && file=$2; shift; done\n"
                   "sleep 1000 </dev/null >/dev/null 2>&1 &\necho $! >$file\n"),
               mode);
    there_ = mount(script.c_str(), kCriu, nullptr, MS_BIND, nullptr) == 0;
    cr_assert(there_, "%m");
  }
  ~StandIn() { umount(kCriu); }
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;
  [[nodiscard]] std::string told() const { return read_file(log_); }

 private:
  std::string log_;
  bool there_ = false;
};

}  // namespace

Test(criu, a_container_goes_on_where_it_was) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "have CRIU as a library, or speak to it");
  if (!exists(kCriu)) cr_skip("needs criu");
  if (run({.argv = {kCriu, "check"}}).status != 0) cr_skip("criu check says that CRIU cannot work on this kernel");
  Container box;
  box.sh("i=0; while :; do i=$((i+1)); echo $i >/tmp/.n; mv /tmp/.n /tmp/n; sleep 0.05; done");
  box.write_config();
  // With no input and output but /dev/null: a file of the host is nothing that CRIU could find again.
  const auto start = [&box](Words words) {
    Words shell = {"/bin/sh", "-c",      "exec \"$@\" </dev/null >/dev/null 2>/dev/null", "sh", runtime_path(),
                   "--root",  box.root()};
    shell.insert(shell.end(), words.begin(), words.end());
    return run({.argv = shell, .directory = box.bundle()});
  };
  const auto counted = [&box] { return std::atoi(read_file(box.rootfs() + "/tmp/n").c_str()); };
  const auto reaches = [&](int number) { return comes_true([&] { return counted() >= number; }); };
  EXPECT_STATUS(start({"run", "--detach", box.id()}), 0);
  cr_assert(reaches(5));
  const std::string images = box.path() + "/images";
  const Ran saved = box.call({"checkpoint", "--image-path", images, box.id()});
  cr_assert_eq(saved.status, 0, "%s", saved.err.c_str());
  EXPECT_TEXT(box.status(), "stopped");
  EXPECT_STATUS(box.call({"delete", box.id()}), 0);
  const int before = counted();
  EXPECT_STATUS(start({"restore", "--detach", "--image-path", images, box.id()}), 0);
  EXPECT_TEXT(box.status(), "running");
  cr_assert(reaches(before + 1));  // one that began anew would count from 1, and so be told by the next line
  EXPECT_TEXT(box.exec({"sh", "-c", cat("[ $(cat /tmp/n) -gt ", before, " ] && echo on")}).out, "on\n");
  EXPECT_STATUS(box.call({"delete", "--force", box.id()}), 0);
}

Test(criu, a_checkpoint_names_the_process_and_its_binds) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "have CRIU as a library, or speak to it");
  if (!exists(kCriu)) cr_skip("needs criu");
  Container box;
  box.set("/mounts/-", R"({"destination":"/host","type":"bind","source":"/usr","options":["rbind","ro"]})");
  box.sh("sleep 1000");
  box.launch();
  const StandIn criu(box.path());
  const std::string images = box.path() + "/images";
  EXPECT_STATUS(box.call({"checkpoint", "--image-path", images, "--leave-running", box.id()}), 0);
  EXPECT_CONTAINS(criu.told(), "dump ");
  EXPECT_CONTAINS(criu.told(), cat("--tree ", box.pid(), " "));
  EXPECT_CONTAINS(criu.told(), "--external mnt[/host]:/host");
  EXPECT_CONTAINS(criu.told(), "--leave-running");
  EXPECT_CONTAINS(read_file(images + "/descriptors.json"), box.path() + "/out");
}

Test(criu, what_is_restored_is_known_and_deleted) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "have CRIU as a library, or speak to it");
  if (!exists(kCriu)) cr_skip("needs criu");
  Container box;
  box.write_config();
  const StandIn criu(box.path());
  const std::string images = box.path() + "/images";
  write_file(images + "/descriptors.json", R"(["pipe:[1]","/dev/null","/dev/null"])");
  EXPECT_STATUS(box.bare({"--cgroup-manager", "disabled", "restore", "--bundle", box.bundle(), "--image-path", images,
                          "--detach", "--pid-file", box.path() + "/pid", box.id()}),
                0);
  EXPECT_CONTAINS(criu.told(), "--inherit-fd fd[3]:pipe:[1]");
  EXPECT_AT(box.state().out, "/status", "running");
  EXPECT_TEXT(read_file(box.path() + "/pid"), cat(box.pid()));
  EXPECT_STATUS(box.call({"delete", "--force", box.id()}), 0);
}

Test(criu, a_restore_without_images_leaves_nothing) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "have CRIU as a library, or speak to it");
  if (!exists(kCriu)) cr_skip("needs criu");
  Container box;
  box.write_config();
  const std::string images = box.path() + "/images";
  const Ran ran = box.call({"restore", "--bundle", box.bundle(), "--image-path", images, "--detach", box.id()});
  EXPECT_REFUSED(ran, "descriptors.json");
  EXPECT_TEXT(box.status(), "absent");
}

Test(criu, without_it_is_an_error_that_says_so) {
  REQUIRE_CONTAINERS();
  if (!is_convox()) cr_skip("judges convox-oci");
  Container box;
  std::optional<StandIn> none;
  if (exists(kCriu)) none.emplace(box.path(), 0644);
  EXPECT_REFUSED(box.call({"checkpoint", "--image-path", box.path(), box.id()}), "criu is not installed");
}
