#include "runtime/oci/stats_json.h"

namespace convox::oci {
namespace {

using cgroups::Meter;
using json::Writer;

void put(Writer& writer, const char* key, std::uint64_t value) {
  writer.Key(key);
  writer.Uint64(value);
}

template <class Members>
void object(Writer& writer, const char* key, Members members) {
  writer.Key(key);
  writer.StartObject();
  members();
  writer.EndObject();
}

void put(Writer& writer, const char* key, const std::vector<std::uint32_t>& list) {
  writer.Key(key);
  writer.StartArray();
  for (const std::uint32_t one : list) writer.Uint(one);
  writer.EndArray();
}

void put(Writer& writer, const char* key, const Meter& meter) {
  object(writer, key, [&] {
    put(writer, "limit", meter.limit);
    put(writer, "usage", meter.usage);
    put(writer, "max", meter.peak);
    put(writer, "failcnt", meter.failures);
  });
}

void put(Writer& writer, const char* key, const cgroups::Stall& stall) {
  const auto percent = [&](const char* name, std::uint32_t hundredths) {
    writer.Key(name);
    writer.Double(hundredths / 100.0);
  };
  object(writer, key, [&] {
    percent("avg10", stall.avg10);
    percent("avg60", stall.avg60);
    percent("avg300", stall.avg300);
    put(writer, "total", stall.total);
  });
}

void put(Writer& writer, const std::optional<cgroups::Pressure>& pressure) {
  if (!pressure) return;
  object(writer, "psi", [&] {
    put(writer, "some", pressure->some);
    put(writer, "full", pressure->full);
  });
}

void put(Writer& writer, const char* key, const std::vector<cgroups::BlockIo>& entries) {
  writer.Key(key);
  writer.StartArray();
  for (const cgroups::BlockIo& one : entries) {
    writer.StartObject();
    put(writer, "major", one.major);
    put(writer, "minor", one.minor);
    writer.Key("op");
    json::write(writer, one.operation);
    put(writer, "value", one.value);
    writer.EndObject();
  }
  writer.EndArray();
}

void put_cpu(Writer& writer, const cgroups::Counters& counters) {
  const cgroups::CpuCounters& cpu = counters.cpu;
  object(writer, "cpu", [&] {
    object(writer, "usage", [&] {
      put(writer, "total", cpu.total);
      put(writer, "kernel", cpu.kernel);
      put(writer, "user", cpu.user);
    });
    object(writer, "throttling", [&] {
      put(writer, "periods", cpu.periods);
      put(writer, "throttledPeriods", cpu.throttled_periods);
      put(writer, "throttledTime", cpu.throttled_time);
    });
    put(writer, counters.cpu_pressure);
  });
}

void put_cpuset(Writer& writer, const cgroups::Counters& counters) {
  object(writer, "cpuset", [&] {
    put(writer, "cpus", counters.cpus);
    put(writer, "mems", counters.mems);
    for (const char* name : {"cpu_exclusive", "mem_hardwall", "mem_exclusive", "memory_migrate", "memory_spread_page",
                             "memory_spread_slab", "memory_pressure", "sched_load_balance", "sched_relax_domain_level"})
      put(writer, name, 0);
  });
}

void put_memory(Writer& writer, const cgroups::Counters& counters) {
  std::uint64_t cache = 0;
  for (const auto& [key, value] : counters.memory_stat)
    if (key == "file") cache = value;
  object(writer, "memory", [&] {
    put(writer, "cache", cache);
    put(writer, "usage", counters.memory);
    put(writer, "swap", counters.swap);
    put(writer, "kernel", Meter{});
    put(writer, "kernelTCP", Meter{});
    object(writer, "raw", [&] {
      for (const auto& [key, value] : counters.memory_stat) put(writer, key.c_str(), value);
    });
    put(writer, counters.memory_pressure);
  });
}

}  // namespace

void write_stats(Writer& writer, const cgroups::Counters& counters) {
  put_cpu(writer, counters);
  put_cpuset(writer, counters);
  put_memory(writer, counters);
  object(writer, "pids", [&] {
    put(writer, "current", counters.pids.usage);
    put(writer, "limit", counters.pids.limit);
  });
  object(writer, "blkio", [&] {
    put(writer, "ioServiceBytesRecursive", counters.io.bytes);
    put(writer, "ioServicedRecursive", counters.io.operations);
    put(writer, counters.io_pressure);
  });
  object(writer, "hugetlb", [&] {
    for (const auto& [size, meter] : counters.hugepages) {
      object(writer, size.c_str(), [&writer, &meter = meter] {
        put(writer, "usage", meter.usage);
        put(writer, "max", meter.peak);
        put(writer, "failcnt", meter.failures);
      });
    }
  });
}

}  // namespace convox::oci
