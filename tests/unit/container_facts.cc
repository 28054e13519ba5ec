// The kernel's texts about a container, taken apart.
#include "runtime/container_facts.h"

#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::runtime;

Test(container_facts, mounts_are_read_with_and_without_optional_fields) {
  const auto mounts = parse_mounts(
      "60 50 0:50 / / rw,nodev - overlay none rw,lowerdir=0:1\n"
      "61 60 8:1 /with\\040blank /a\\134b ro shared:3 master:1 - ext4 /dev/sda1 rw\n"
      "nonsense\n");
  cr_assert(mounts.size() == 2);
  expect_text(mounts[0].target, "/");
  expect_text(mounts[0].type, "overlay");
  expect_text(mounts[0].super_options, "rw,lowerdir=0:1");
  expect_text(mounts[1].root, "/with blank");
  expect_text(mounts[1].target, "/a\\b");
  expect_text(mounts[1].options, "ro");
  expect_text(mounts[1].source, "/dev/sda1");
}

Test(container_facts, status_gives_the_five_sets_and_the_seccomp_mode) {
  const auto facts = parse_status(
      "Name:\tsleep\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000001\nCapEff:\t0000000000000003\n"
      "CapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000004\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n");
  cr_assert(facts);
  cr_expect(facts->capabilities.inheritable == 0 && facts->capabilities.permitted == 1);
  cr_expect(facts->capabilities.effective == 3 && facts->capabilities.bounding == 0x1ffffffffff);
  cr_expect(facts->capabilities.ambient == 4 && facts->no_new_privileges && facts->filters == 1);
  expect_text(facts->seccomp, "filter");
  cr_expect(!parse_status("Name:\tsleep\n"));
}
