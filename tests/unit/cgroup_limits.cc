// No root, no kernel: a limit is data until someone writes it.
#include <criterion/criterion.h>

#include "cgroups/limits.h"

using namespace convox;
using namespace convox::cgroups;

namespace {

// "file=value file=value", in the order of writing.
std::string text_of(const Limits& limits) {
  std::string text;
  for (const Setting& setting : settings(limits))
    text += cat(text.empty() ? "" : " ", setting.file, "=", setting.value);
  return text;
}

Hierarchy with(std::initializer_list<Controller> some) {
  Hierarchy hierarchy{"/sys/fs/cgroup", {}};
  for (const Controller one : some) hierarchy.controllers.add(one);
  return hierarchy;
}
const Hierarchy kAll =
    with({Controller::kCpu, Controller::kMemory, Controller::kPids, Controller::kIo, Controller::kCpuset});

}  // namespace

Test(cgroup_limits, no_limits_write_nothing) { cr_assert_eq(text_of({}), ""); }

Test(cgroup_limits, every_limit_has_its_file_and_memory_max_is_last) {
  const Limits all{.cpu_weight = 35,
                   .cpu_max = CpuMax{50'000, 100'000},
                   .memory_low = 1024,
                   .memory_max = 4096,
                   .memory_swap_max = 7,
                   .pids_max = 9,
                   .io_weight = 200,
                   .cpuset_cpus = "0-2,7",
                   .cpuset_mems = "0",
                   .delegated = true};
  cr_assert_eq(text_of(all),
               "cpuset.mems=0 cpuset.cpus=0-2,7 cpu.weight=35 cpu.max=50000 100000 io.weight=200 pids.max=9 "
               "cgroup.max.depth=32 cgroup.max.descendants=256 memory.low=1024 memory.swap.max=7 memory.max=4096");
  cr_assert(needed(all) == kAll.controllers);
}

Test(cgroup_limits, a_memory_limit_also_closes_the_way_into_swap) {
  cr_assert_eq(text_of({.memory_max = 4096}), "memory.swap.max=0 memory.max=4096");
  cr_assert_eq(text_of({.memory_low = 4096}), "memory.low=4096");
}

// The fixed points of the curve, and the values that other engines give for the same shares.
Test(cgroup_limits, millicores_become_the_weight_that_other_engines_give) {
  struct {
    std::uint64_t millicores, weight;
  } cases[] = {{0, 1},      {1, 1},      {2, 1},      {100, 17},         {250, 35},           {500, 59},
               {1000, 100}, {2000, 174}, {4000, 303}, {256'000, 10'000}, {1'000'000, 10'000}, {~0ULL, 10'000}};
  for (auto& one : cases)
    cr_assert_eq(cpu_weight(one.millicores), one.weight, "%lu: %lu", one.millicores, cpu_weight(one.millicores));
}

Test(cgroup_limits, a_cpu_limit_keeps_its_ratio_and_never_asks_for_a_quota_the_kernel_refuses) {
  cr_assert((cpu_max(1500) == CpuMax{150'000, 100'000}));
  cr_assert((cpu_max(10) == CpuMax{1'000, 100'000}));
  cr_assert((cpu_max(9) == CpuMax{9'000, 1'000'000}));
  cr_assert((cpu_max(1) == CpuMax{1'000, 1'000'000}));
}

Test(cgroup_limits, megabytes_are_binary) { cr_assert_eq(bytes_of_megabytes(16), 16'777'216U); }

Test(cgroup_limits, what_was_asked_for_needs_its_controller_and_the_error_says_how_to_get_it) {
  struct {
    Limits asked;
    const char *controller, *boot_option;
  } cases[] = {
      {{.cpu_weight = 100}, "the cpu controller", "cgroup_no_v1=cpu "},
      {{.cpu_max = CpuMax{1000, 100'000}}, "the cpu controller", "cgroup_no_v1=cpu "},
      {{.memory_low = 1}, "the memory controller", "cgroup_no_v1=memory "},
      {{.memory_max = 1}, "the memory controller", "cgroup_no_v1=memory "},
      {{.pids_max = 1}, "the pids controller", "cgroup_no_v1=pids "},
      {{.io_weight = 1}, "the io controller", "cgroup_no_v1=blkio "},
      {{.cpuset_cpus = "0"}, "the cpuset controller", "cgroup_no_v1=cpuset "},
  };
  for (auto& one : cases) {
    const Result<> missing = check_limits(one.asked, with({}));
    cr_assert(not missing.has_value(), "%s", one.controller);
    cr_assert_neq(missing.error().text.find(one.controller), std::string::npos, "%s", missing.error().text.c_str());
    cr_assert_neq(missing.error().advice.find(one.boot_option), std::string::npos, "%s",
                  missing.error().advice.c_str());
    cr_assert(check_limits(one.asked, kAll).has_value(), "%s", one.controller);
  }
  cr_assert(check_limits({}, with({})).has_value());
}

Test(cgroup_limits, defaults_fill_what_was_left_open_and_only_where_they_can) {
  cr_assert_eq(text_of(with_defaults({}, kAll)), "cpu.weight=100 pids.max=2048");
  cr_assert_eq(text_of(with_defaults({}, with({Controller::kPids}))), "pids.max=2048");
  cr_assert_eq(text_of(with_defaults({}, with({}))), "");
  cr_assert_eq(text_of(with_defaults({.cpu_weight = 7, .pids_max = 5}, kAll)), "cpu.weight=7 pids.max=5");
}

Test(cgroup_limits, values_that_the_kernel_would_refuse_are_refused_before) {
  const Limits refused[] = {{.cpu_weight = 0},
                            {.cpu_weight = 10'001},
                            {.cpu_max = CpuMax{999, 100'000}},
                            {.cpu_max = CpuMax{5'000, 1'000'001}},
                            {.memory_max = 0},
                            {.memory_low = 2, .memory_max = 1},
                            {.pids_max = 0},
                            {.io_weight = 10'001},
                            {.cpuset_cpus = "0\n1"},
                            {.cpuset_mems = "all"}};
  for (const Limits& one : refused) cr_assert(not check_limits(one, kAll).has_value(), "%s", text_of(one).c_str());
}

Test(cgroup_limits, a_group_gets_the_controllers_that_count_even_without_a_limit) {
  Hierarchy all;
  for (const Controller one : kControllers) all.controllers.add(one);
  const Controllers handed = needed({}, all);
  for (const Controller one : {Controller::kCpu, Controller::kMemory, Controller::kPids, Controller::kIo})
    cr_expect(handed.has(one));
  cr_expect(not handed.has(Controller::kCpuset));
  cr_expect(needed({.cpuset_cpus = "0"}, all).has(Controller::kCpuset));
  cr_expect(needed({}, Hierarchy{}).empty());
}

Test(cgroup_limits, a_controller_that_is_not_offered_is_named_with_the_way_to_get_it) {
  Hierarchy hierarchy = with({});
  hierarchy.offered = "cpu hugetlb\n";
  cr_assert(check_controllers({}, hierarchy).has_value());
  cr_assert(check_controllers({"cpu", "hugetlb"}, hierarchy).has_value());
  const Result<> missing = check_controllers({"cpu", "io"}, hierarchy);
  cr_assert(not missing.has_value());
  cr_assert_neq(missing.error().text.find("the io controller"), std::string::npos);
  cr_assert_neq(missing.error().advice.find("cgroup_no_v1=blkio "), std::string::npos);
}
