// Texts as the kernel writes them, and what is read from them.
#include <criterion/criterion.h>

#include "cgroups/stats.h"

using namespace convox;
using namespace convox::cgroups;

Test(cgroup_stats, a_flat_value_is_found_by_its_whole_key) {
  const char* stat = "anon 4096\ninactive_file 12288\nfile 99\nworkingset_file max\n";
  cr_assert_eq(flat_value(stat, "file"), 99U);
  cr_assert_eq(flat_value(stat, "inactive_file"), 12288U);
  cr_assert_eq(flat_value(stat, "anon"), 4096U);
  cr_assert(not flat_value(stat, "active_file").has_value());
  cr_assert(not flat_value(stat, "workingset_file").has_value());
  cr_assert(not flat_value("", "file").has_value());
  cr_assert(not flat_value("file", "file").has_value());
}

Test(cgroup_stats, io_is_summed_over_devices) {
  const Io io = parse_io(
      "8:0 rbytes=4096 wbytes=100 rios=1 wios=1 dbytes=77 dios=0\n"
      "7:0 \n"
      "259:0 rbytes=1 wbytes=2 rios=1 wios=1 dbytes=0 dios=0\n");
  cr_assert_eq(io.read, 4097U);
  cr_assert_eq(io.written, 102U);
}

Test(cgroup_stats, pressure_keeps_some_and_full_apart) {
  const auto pressure = parse_pressure(
      "some avg10=1.50 avg60=0.20 avg300=0.00 total=12345\nfull avg10=100.00 avg60=0.00 avg300=0.00 total=6\n");
  cr_assert(pressure.has_value());
  cr_assert_eq(pressure->some.avg10, 150U);
  cr_assert_eq(pressure->full.avg10, 10'000U);
  cr_assert_eq(pressure->some.total, 12'345U);
  cr_assert_eq(pressure->full.total, 6U);
  cr_assert(not parse_pressure("").has_value());
}

Test(cgroup_stats, an_oom_kill_is_named_with_its_cause) {
  struct {
    const char *events, *max, *message;  // no message: nobody was killed
  } cases[] = {
      {"low 0\nhigh 0\nmax 31\noom 1\noom_kill 1\noom_group_kill 0\n", "16777216\n",
       "web was killed: out of memory (limit 16 MB)"},
      {"max 3\noom 1\noom_kill 1\n", "262144\n", "web was killed: out of memory (limit 256 KB)"},
      {"max 0\noom 1\noom_kill 1\n", "max\n", "web was killed: out of memory"},
      {"max 0\noom 0\noom_kill 1\n", "16777216\n", "web was killed: the host is out of memory"},
      {"max 31\noom 1\noom_kill 0\n", "16777216\n", nullptr},
      {"", "", nullptr},
  };
  for (auto& one : cases) {
    const OomKills kills = parse_oom(one.events, one.max);
    cr_assert_eq(static_cast<bool>(kills), one.message != nullptr);
    if (one.message) cr_assert_eq(describe(kills, "web"), one.message);
  }
}
