// No root, no kernel: the kernel's own texts, and the JSON that engines read.
#include "cgroups/counters.h"

#include <criterion/criterion.h>

#include "runtime/oci/stats_json.h"

using namespace convox;
using namespace convox::cgroups;

namespace {

std::string json_of(const Counters& counters) {
  json::Buffer buffer;
  json::Writer writer(buffer);
  writer.StartObject();
  oci::write_stats(writer, counters);
  writer.EndObject();
  cr_assert(writer.IsComplete());
  return buffer.GetString();
}

void contains(const std::string& text, const char* part) {
  cr_expect(text.find(part) != std::string::npos, "%s is not in %s", part, text.c_str());
}

}  // namespace

Test(counters, processor_time_is_in_nanoseconds) {
  const char* text =
      "usage_usec 1234\nuser_usec 1000\nsystem_usec 234\ncore_sched.force_idle_usec 0\nnr_periods 5\nnr_throttled 2\n"
      "throttled_usec 99\nnr_bursts 0\nburst_usec 0\n";
  cr_expect((parse_cpu_stat(text) == CpuCounters{1'234'000, 1'000'000, 234'000, 5, 2, 99'000}));
  cr_expect(parse_cpu_stat("") == CpuCounters{});
}

Test(counters, flat_files_keep_every_key_in_the_kernels_order) {
  const NamedCounters found = parse_flat("anon 4096\nfile 0\nodd\nworkingset_refault_anon 18446744073709551615\n");
  cr_expect(found == (NamedCounters{{"anon", 4096}, {"file", 0}, {"workingset_refault_anon", ~0ULL}}));
}

Test(counters, block_io_is_told_by_device_and_operation) {
  const BlockIoCounters found = parse_io_stat(
      "254:0 rbytes=4096 wbytes=1 rios=2 wios=3 dbytes=4 dios=5 cost.usage=7\n"
      "7:1 \n"
      "no device\n"
      "8:16 rbytes=9\n");
  cr_expect(
      found.bytes ==
      (std::vector<BlockIo>{{254, 0, "Read", 4096}, {254, 0, "Write", 1}, {254, 0, "Discard", 4}, {8, 16, "Read", 9}}));
  cr_expect(found.operations ==
            (std::vector<BlockIo>{{254, 0, "Read", 2}, {254, 0, "Write", 3}, {254, 0, "Discard", 5}}));
}

Test(counters, lists_of_processors_become_numbers) {
  cr_expect(parse_list("0-3,7") == (std::vector<std::uint32_t>{0, 1, 2, 3, 7}));
  cr_expect(parse_list("5") == std::vector<std::uint32_t>{5});
  for (const char* none : {"", "a", "1-", "-1", "3-1", "0-4294967295", "1,,2", "0-65536"})
    cr_expect(parse_list(none).empty(), "%s", none);
}

Test(counters, pressure_has_three_averages) {
  const auto found = parse_pressure(
      "some avg10=1.50 avg60=0.20 avg300=100.00 total=12345\nfull avg10=0.00 avg60=0.01 "
      "avg300=0.00 total=6\n");
  cr_assert(found.has_value());
  cr_expect((found->some == Stall{150, 20, 10'000, 12'345}));
  cr_expect((found->full == Stall{0, 1, 0, 6}));
}

Test(counters, engines_find_every_member_where_runc_has_it) {
  Counters counters;
  counters.cpu = {3, 2, 1, 4, 5, 6};
  counters.cpu_pressure = Pressure{{150, 20, 0, 7}, {}};
  counters.memory = {100, 200, kNoLimit, 3};
  counters.swap = {10, 20, 30, 0};
  counters.memory_stat = {{"anon", 60}, {"file", 40}};
  counters.pids = {2, 4, 77, 0};
  counters.io.bytes = {{8, 0, "Read", 4096}};
  counters.io.operations = {{8, 0, "Read", 1}};
  counters.hugepages = {{"2MB", {1, 0, kNoLimit, 9}}};
  counters.cpus = {0, 1};
  const std::string text = json_of(counters);
  const Result<json::Document> document = json::parse(text, "stats");
  cr_assert(document.has_value(), "%s", text.c_str());
  for (
      const char* part :
      {R"("cpu":{"usage":{"total":3,"kernel":1,"user":2},"throttling":{"periods":4,"throttledPeriods":5,"throttledTime":6})",
       R"("psi":{"some":{"avg10":1.5,"avg60":0.2,"avg300":0.0,"total":7},"full":{"avg10":0.0,)",
       R"("cpuset":{"cpus":[0,1],"mems":[],"cpu_exclusive":0)",
       R"("memory":{"cache":40,"usage":{"limit":18446744073709551615,"usage":100,"max":200,"failcnt":3})",
       R"("swap":{"limit":30,"usage":10,"max":20,"failcnt":0})", R"("raw":{"anon":60,"file":40})",
       R"("pids":{"current":2,"limit":77})",
       R"("blkio":{"ioServiceBytesRecursive":[{"major":8,"minor":0,"op":"Read","value":4096}],"ioServicedRecursive":[{)",
       R"("hugetlb":{"2MB":{"usage":1,"max":0,"failcnt":9}})"})
    contains(text, part);
}

Test(counters, a_group_that_counts_nothing_has_every_member_and_no_pressure) {
  const std::string text = json_of({});
  for (const char* part : {R"("cpu":{)", R"("memory":{)", R"("raw":{})", R"("hugetlb":{})", R"("failcnt":0)"})
    contains(text, part);
  cr_expect(text.find("psi") == std::string::npos);
}
