// No root, no kernel: what a LinuxResources document asks for is a list of files and values until somebody writes it.
#include "cgroups/resources.h"

#include <criterion/criterion.h>

using namespace convox;
using namespace convox::cgroups;

namespace {

// "file=value; file?=value", in the order of writing; `?` marks a file that may be missing.
std::string text_of(const Resources& asked, bool bfq = false) {
  const auto list = settings(asked, bfq);
  if (!list) return cat("ERROR ", list.error().text);
  std::string text;
  for (const FileValue& one : *list)
    text += cat(text.empty() ? "" : "; ", one.file, one.optional ? "?=" : "=", one.value);
  return text;
}

void expect(const Resources& asked, const char* expected, int line, bool bfq = false) {
  const std::string text = text_of(asked, bfq);
  cr_expect(text == expected, "line %d: %s is not %s", line, text.c_str(), expected);
}

void expect_error(const Resources& asked, const char* part, int line) {
  const std::string text = text_of(asked);
  cr_expect(text.starts_with("ERROR ") && text.find(part) != std::string::npos, "line %d: %s", line, text.c_str());
}

}  // namespace

#define EXPECT(expected, ...) expect(Resources{__VA_ARGS__}, expected, __LINE__)
#define EXPECT_BFQ(expected, ...) expect(Resources{__VA_ARGS__}, expected, __LINE__, true)
#define EXPECT_ERROR(part, ...) expect_error(Resources{__VA_ARGS__}, part, __LINE__)

Test(resources, nothing_asked_writes_nothing) { EXPECT("", ); }

Test(resources, memory_limits_are_bytes_and_minus_one_is_none) {
  EXPECT("memory.max=4096", .memory_limit = 4096);
  EXPECT("", .memory_limit = 0);
  EXPECT("memory.low=7", .memory_reservation = 7);
  EXPECT("memory.low?=max", .memory_reservation = -1);
  EXPECT("", .memory_reservation = 0);
  EXPECT_ERROR("-2", .memory_limit = -2);
  EXPECT_ERROR("-3", .memory_reservation = -3);
  EXPECT_ERROR("-4", .memory_limit = 1, .memory_swap = -4);
}

Test(resources, swap_is_what_the_sum_leaves_beside_memory) {
  EXPECT("memory.swap.max=50; memory.max=100", .memory_limit = 100, .memory_swap = 150);
  EXPECT("memory.swap.max?=0; memory.max=100", .memory_limit = 100, .memory_swap = 100);
  EXPECT("memory.swap.max?=max; memory.max=100", .memory_limit = 100, .memory_swap = -1);
  EXPECT("memory.max=100", .memory_limit = 100, .memory_swap = 0);
  EXPECT("memory.swap.max?=max; memory.max?=max", .memory_limit = -1, .memory_swap = 0);
  EXPECT("memory.swap.max?=max; memory.max?=max", .memory_limit = -1);
  EXPECT("memory.swap.max?=max; memory.max?=max", .memory_limit = -1, .memory_swap = -1);
  EXPECT("memory.swap.max?=max", .memory_swap = -1);
  EXPECT("", .memory_swap = 0);
  EXPECT_ERROR("needs memory.limit", .memory_swap = 100);
  EXPECT_ERROR("needs memory.limit", .memory_limit = 0, .memory_swap = 100);
  EXPECT_ERROR("needs memory.limit", .memory_limit = -1, .memory_swap = 100);
  EXPECT_ERROR("less than memory.limit", .memory_limit = 100, .memory_swap = 99);
}

Test(resources, shares_become_the_weight_on_the_curve) {
  struct {
    std::uint64_t shares, weight;
  } cases[] = {{0, 0},
               {1, 1},
               {2, 1},
               {3, 2},
               {10, 4},
               {102, 17},
               {256, 35},
               {512, 59},
               {1023, 100},
               {1024, 100},
               {2048, 174},
               {4096, 303},
               {10240, 639},
               {262'143, 10'000},
               {262'144, 10'000},
               {262'145, 10'000},
               {~0ULL, 10'000}};
  for (auto& one : cases)
    cr_expect_eq(weight_of_shares(one.shares), one.weight, "%lu: %lu", one.shares, weight_of_shares(one.shares));
  EXPECT("cpu.weight=100", .cpu_shares = 1024);
  EXPECT("", .cpu_shares = 0);
}

Test(resources, a_weight_never_falls_as_shares_rise) {
  std::uint64_t before = 0;
  for (std::uint64_t shares = 1; shares <= 262'144; ++shares) {
    const std::uint64_t weight = weight_of_shares(shares);
    cr_assert(weight >= before && weight >= 1 && weight <= 10'000, "%lu: %lu after %lu", shares, weight, before);
    before = weight;
  }
}

Test(resources, a_quota_and_its_period_are_one_value) {
  EXPECT("cpu.max=50000 100000", .cpu_quota = 50'000);
  EXPECT("cpu.max=50000 20000", .cpu_period = 20'000, .cpu_quota = 50'000);
  EXPECT("cpu.max=50000 100000", .cpu_period = 0, .cpu_quota = 50'000);
  EXPECT("cpu.max?=max 100000", .cpu_quota = -1);
  EXPECT("cpu.max?=max 100000", .cpu_quota = 0);
  EXPECT("cpu.max?=max 20000", .cpu_period = 20'000);
}

Test(resources, a_burst_is_never_above_the_quota_that_is_in_force) {
  EXPECT("cpu.max.burst=500", .cpu_burst = 500);
  EXPECT("cpu.max.burst?=0", .cpu_burst = 0);
  EXPECT("cpu.max.burst?=0; cpu.max=1000 100000; cpu.max.burst=500", .cpu_burst = 500, .cpu_quota = 1000);
  EXPECT("cpu.max.burst?=0; cpu.max=1000 100000", .cpu_burst = 0, .cpu_quota = 1000);
}

Test(resources, an_idle_group_has_no_weight) {
  EXPECT("cpu.idle=1", .cpu_shares = 1024, .cpu_idle = 1);
  EXPECT("cpu.idle?=0; cpu.weight=100", .cpu_shares = 1024, .cpu_idle = 0);
}

Test(resources, processors_and_memory_nodes_are_lists) {
  EXPECT("cpuset.mems=0; cpuset.cpus=0-2,7", .cpus = "0-2,7", .mems = "0");
}

Test(resources, a_limit_of_no_processes_is_one) {
  EXPECT("pids.max=0", .pids_limit = 0);
  EXPECT("pids.max=5", .pids_limit = 5);
  EXPECT("pids.max?=max", .pids_limit = -1);
}

Test(resources, io_weights_are_on_the_scale_of_their_file) {
  EXPECT_BFQ("io.bfq.weight=default 10", .io_weight = 10);
  EXPECT_BFQ("io.bfq.weight=default 1000; io.bfq.weight=8:0 300", .io_weight = 1000,
             .io_device_weights = {{8, 0, 300}});
  EXPECT("io.weight=default 1", .io_weight = 10);
  EXPECT("io.weight=default 4950", .io_weight = 500);
  EXPECT("io.weight=default 10000; io.weight=8:16 910", .io_weight = 1000, .io_device_weights = {{8, 16, 100}});
  EXPECT("", .io_weight = 0);
  EXPECT_ERROR("not 9", .io_weight = 9);
  EXPECT_ERROR("not 1001", .io_weight = 1001);
  EXPECT_ERROR("not 0", .io_device_weights = {{8, 0, 0}});
}

Test(resources, the_rates_of_a_device_are_one_line) {
  EXPECT("io.max=8:0 rbps=1 wbps=2 riops=3 wiops=4", .read_bps = {{8, 0, 1}}, .write_bps = {{8, 0, 2}},
         .read_iops = {{8, 0, 3}}, .write_iops = {{8, 0, 4}});
  EXPECT("io.max=8:0 rbps=1 wiops=max; io.max=9:1 rbps=5", .read_bps = {{8, 0, 1}, {9, 1, 5}},
         .write_iops = {{8, 0, 0}});
  EXPECT("io.max?=8:0 rbps=max", .read_bps = {{8, 0, 0}});
}

Test(resources, huge_pages_are_limited_by_use_and_by_reservation) {
  EXPECT("hugetlb.2MB.max=4; hugetlb.2MB.rsvd.max?=4; hugetlb.1GB.max=0; hugetlb.1GB.rsvd.max?=0",
         .hugepages = {{"2MB", 4}, {"1GB", 0}});
  for (const char* size : {"", "../x", "2MB.max", "2MB/"}) EXPECT_ERROR("size of a page", .hugepages = {{size, 4}});
}

Test(resources, rdma_limits_name_what_they_limit) {
  EXPECT("rdma.max=mlx5_0 hca_handle=3 hca_object=10000", .rdma = {{"mlx5_0", 3, 10'000}});
  EXPECT("rdma.max=mlx5_0 hca_object=0", .rdma = {{"mlx5_0", {}, 0}});
  EXPECT_ERROR("no limit", .rdma = {{"mlx5_0", {}, {}}});
}

Test(resources, unified_files_come_last_and_win) {
  EXPECT("cpu.weight=100; memory.low=1; cpu.weight=7; memory.high=5; memory.max=4096", .memory_limit = 4096,
         .memory_reservation = 1, .cpu_shares = 1024, .unified = {{"cpu.weight", "7"}, {"memory.high", "5"}});
  EXPECT("pids.max=3; memory.max=9", .memory_limit = 4096, .unified = {{"memory.max", "9"}, {"pids.max", "3"}});
  EXPECT("hugetlb.2MB.max=4\n5", .unified = {{"hugetlb.2MB.max", "4\n5"}});
  for (const char* file : {"", "memory", ".max", "a/memory.max", "../memory.max", "/"})
    EXPECT_ERROR("no file of a cgroup", .unified = {{file, "1"}});
}

Test(resources, memory_max_is_the_last_to_be_written) {
  EXPECT(
      "cpuset.mems=0; cpuset.cpus=1; cpu.weight=100; cpu.max.burst?=0; cpu.max=5 100000; cpu.max.burst=4; "
      "io.weight=default 4950; io.max=8:0 rbps=1; pids.max=2; hugetlb.2MB.max=4; hugetlb.2MB.rsvd.max?=4; "
      "rdma.max=x hca_handle=1; memory.low=1; memory.swap.max=50; memory.oom.group=1; memory.max=100",
      .memory_limit = 100, .memory_reservation = 1, .memory_swap = 150, .cpu_shares = 1024, .cpu_burst = 4,
      .cpu_quota = 5, .cpus = "1", .mems = "0", .pids_limit = 2, .io_weight = 500, .read_bps = {{8, 0, 1}},
      .hugepages = {{"2MB", 4}}, .rdma = {{"x", 1, {}}}, .unified = {{"memory.oom.group", "1"}});
}

Test(resources, what_version_2_cannot_do_is_an_error) {
  EXPECT_ERROR("disableOOMKiller", .disable_oom_killer = true);
  EXPECT_ERROR("realtime", .realtime_runtime = 1);
  EXPECT_ERROR("realtime", .realtime_period = 1);
  EXPECT_ERROR("leafWeight", .io_leaf_weight = 10);
  EXPECT_ERROR("classID", .network = true);
  EXPECT("", .realtime_runtime = 0, .realtime_period = 0, .io_leaf_weight = 0);
}

Test(resources, files_say_which_controllers_they_need) {
  const auto names = controllers_of({{"cpu.weight", "1"},
                                     {"cpuset.cpus", "1"},
                                     {"cpu.max", "max"},
                                     {"hugetlb.2MB.max", "1"},
                                     {"cgroup.max.depth", "1"},
                                     {"misc.max", "x"},
                                     {"pids.max", "max", true}});
  cr_expect(names == (std::vector<std::string>{"cpu", "cpuset", "hugetlb", "misc"}));
  cr_expect(controllers_of({}).empty());
}
