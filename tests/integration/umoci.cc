// Do we unpack what umoci unpacks? The comparison itself is scripts/compare-unpack; `make compare-unpack` runs it on
// Debian.
#include <limits.h>
#include <stdlib.h>

#include "tests/support/needs.h"
#include "tests/support/sandbox.h"

using namespace convox::test;

Test(umoci, unpacks_the_same_trees) {
  REQUIRE(Root | Umoci | PrivateNamespaces);
  Sandbox box;
  char script[PATH_MAX];
  if (!realpath("scripts/compare-unpack", script)) cr_skip("needs to be started from the source tree");
  const Ran ran = box.run({script, "--small", Sandbox::build() + "/convox-image"},
                          {.environment = {"TMPDIR=" + box.path()}, .limit = std::chrono::seconds(120)});
  if (ran.status == 77) cr_skip("%s", ran.err.c_str());
  EXPECT_STATUS(ran, 0);
  EXPECT_CONTAINS(ran.out, "oci:images:three: equal");
}
