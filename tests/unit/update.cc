// What is not given stays.
#include "runtime/update.h"

#include <criterion/criterion.h>

using namespace convox;
using namespace convox::runtime;

Test(update, keeps_what_is_left_open) {
  const cgroups::Limits before{.cpu_weight = 35, .memory_max = 64 << 20, .pids_max = 100, .cpuset_cpus = "0"};
  const cgroups::Limits after = merged(before, {.cpu_max = cgroups::cpu_max(1500), .pids_max = 7});
  cr_assert(after.cpu_weight == 35U && after.memory_max == 64U << 20 && after.cpuset_cpus == "0");
  cr_assert(after.pids_max == 7U && after.cpu_max == cgroups::cpu_max(1500));
}
