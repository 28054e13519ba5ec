// Where something may be mounted: not over what the kernel tells, whatever the user wrote or the image made of it.
#include <sys/stat.h>

#include "tests/support/app.h"

using namespace convox::test;
using convox::cat;

namespace {

constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;

Entry link_to(std::string path, std::string target) {  // symlink(2) is in the way of the other name
  return convox::test::symlink(std::move(path), std::move(target));
}

}  // namespace

Test(mount_targets, written_as_something_else_are_still_refused) {
  REQUIRE(kNeeds);
  App app;
  const std::string source = app.path() + "/volume";
  write_file(source + "/file", "x");
  app.remember();
  for (const char* target :
       {"/proc", "//proc", "/proc/", "/proc/sys", "/sys", "/dev", "/dev/pts", "/etc/../proc", "/."}) {
    const Ran ran = app.convox({"run", "--volume", cat(source, ":", target), "web", "true"});
    cr_expect(ran.status == 125 && ran.err.find("volume") != std::string::npos, "%s: %d %s", target, ran.status,
              ran.err.c_str());
  }
  EXPECT_NOTHING_LEFT(app);
}

// Verify reads /proc/self/status and mountinfo: an image or a volume must not be able to write them.
Test(mount_targets, that_links_lead_into_proc_are_refused) {
  REQUIRE(kNeeds);
  for (const char* into : {"/proc/1/status", "/proc/self/mountinfo", "/proc/uptime", "/sys/kernel/notes"}) {
    App app(testbox_image_with({link_to("etc/hostname", into)}));
    const Ran ran = app.convox({"run", "web", "true"});
    EXPECT_STATUS(ran, 125);
    EXPECT_CONTAINS(ran.err, "EXDEV");
    EXPECT_NOTHING_LEFT(app);
  }
  App app(testbox_image_with({link_to("data", "/proc/sys"), link_to("root-again", "/")}));
  const std::string source = app.path() + "/volume";
  write_file(source + "/file", "x");
  app.remember();
  for (const char* target : {"/data", "/root-again"}) {
    const Ran ran = app.convox({"run", "--volume", cat(source, ":", target), "web", "true"});
    EXPECT_STATUS(ran, 125);
    EXPECT_CONTAINS(ran.err, "EXDEV");
  }
  EXPECT_NOTHING_LEFT(app);
}

Test(mount_targets, below_another_volume_are_mounts_of_their_own) {
  REQUIRE(kNeeds);
  App app;
  for (const char* name : {"outer", "inner"}) write_file(cat(app.path(), "/", name, "/file"), name);
  write_file(app.path() + "/outer/sub/hidden", "x");
  app.remember();
  const Ran ran = app.convox({"run", "--volume", app.path() + "/outer:/data", "--volume",
                              app.path() + "/inner:/data/sub:ro", "--volume", app.path() + "/outer:/etc", "web",
                              "cat /data/file /data/sub/file /etc/file; ls /data/sub; touch /data/sub/x"});
  EXPECT_CONTAINS(ran.out, "outerinnerouterfile\n");
  EXPECT_CONTAINS(ran.err, "Read-only file system");
}
