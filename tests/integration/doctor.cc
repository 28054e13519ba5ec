// What doctor says of this host and of hosts that a namespace makes poorer, and whether it leaves anything behind.
#include "runtime/base/json.h"
#include "tests/support/needs.h"
#include "tests/support/sandbox.h"

using namespace convox::test;

namespace {

std::string verdict_of(const std::string& output, std::string_view name) {
  const auto report = convox::json::parse(output, "doctor's output");
  cr_assert(report.has_value(), "%s", output.c_str());
  for (const auto& finding : (*report)["findings"].GetArray())
    if (name == finding["name"].GetString()) return finding["verdict"].GetString();
  return "absent";
}

}  // namespace

Test(doctor, says_that_run_works_and_leaves_nothing) {
  REQUIRE(Root | CgroupV2 | UserNamespaces);
  Sandbox box;
  const Ran ran = box.convox({"doctor"});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.err, "");
  EXPECT_CONTAINS(ran.out, "convox run works on this host.");
  EXPECT_NOTHING_LEFT(box);
}

Test(doctor, says_the_same_in_json) {
  REQUIRE(Root | CgroupV2 | UserNamespaces);
  Sandbox box;
  const Ran ran = box.convox({"doctor", "--json"});
  EXPECT_STATUS(ran, 0);
  for (const char* name :
       {"kernel", "cgroup v2", "store", "overlay", "user namespaces", "idmapped layers", "proc", "seccomp"})
    EXPECT_TEXT(verdict_of(ran.out, name), "ok");
}

Test(doctor, finds_a_proc_that_is_covered) {
  REQUIRE(Root | CgroupV2 | UserNamespaces | PrivateNamespaces);
  Sandbox box;
  const Ran ran =
      box.run({"/usr/bin/unshare", "--mount", "/bin/sh", "-c",
               "mount --bind -o ro /proc/sys /proc/sys && exec \"$0\" doctor --json", Sandbox::build() + "/convox"});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(verdict_of(ran.out, "proc"), "warning");
  EXPECT_CONTAINS(ran.out, "unmount /proc/sys");
}

Test(doctor, finds_a_store_that_cannot_be_written) {
  REQUIRE(Root | CgroupV2);
  Sandbox box;
  const Ran ran = box.convox({"--root", "/proc/sys", "doctor", "--json"});
  EXPECT_STATUS(ran, 1);
  EXPECT_TEXT(verdict_of(ran.out, "store"), "lacks");
}

Test(doctor, tells_a_root_without_capabilities_what_is_missing) {
  REQUIRE(Root | CgroupV2);
  Sandbox box;
  const Ran ran =
      box.run({"/usr/bin/setpriv", "--bounding-set=-all", Sandbox::build() + "/convox", "doctor", "--json"});
  EXPECT_STATUS(ran, 1);
  EXPECT_TEXT(verdict_of(ran.out, "capabilities"), "lacks");
  EXPECT_TEXT(verdict_of(ran.out, "overlay"), "warning");  // it is there, and could not be tried
}
