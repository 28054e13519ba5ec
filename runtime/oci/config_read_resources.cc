// runtime-spec 1.3, config-linux.md, "Control groups". What cgroup v2 has no file for and nobody misses (kernel memory,
// swappiness) is not even looked at.
#include <algorithm>

#include "runtime/oci/config_read.h"

namespace convox::oci {
namespace {

using cgroups::DeviceRate;
using cgroups::DeviceRule;
using cgroups::HugepageLimit;
using cgroups::Resources;

// 'u', an unbuffered character device, is the old word of mknod(1) for 'c'.
constexpr Word<char> kDeviceTypes[] = {{"", 'a'}, {"a", 'a'}, {"b", 'b'}, {"c", 'c'}, {"u", 'c'}};
constexpr std::int64_t kMostNumber = 0xffffffff;

void read_memory(const Item& item, Resources& resources) {
  item.take("limit", resources.memory_limit);
  item.take("reservation", resources.memory_reservation);
  item.take("swap", resources.memory_swap);
  item.take("disableOOMKiller", resources.disable_oom_killer);
  item.take("checkBeforeUpdate", resources.check_before_update);
}

void read_cpu(const Item& item, Resources& resources) {
  item.take("shares", resources.cpu_shares);
  item.take("quota", resources.cpu_quota);
  item.take("period", resources.cpu_period);
  item.take("burst", resources.cpu_burst);
  item.take("idle", resources.cpu_idle);
  item.take("realtimeRuntime", resources.realtime_runtime);
  item.take("realtimePeriod", resources.realtime_period);
  item.take("cpus", resources.cpus);
  item.take("mems", resources.mems);
}

void take_device(const Item& item, std::int64_t& major, std::int64_t& minor) {
  item.take("major", major, std::int64_t{0}, kMostNumber);
  item.take("minor", minor, std::int64_t{0}, kMostNumber);
}

void read_block_io(const Item& item, Resources& resources) {
  constexpr std::uint64_t most = 0xffff;
  if (item.has("weight")) item.take("weight", resources.io_weight.emplace(), std::uint64_t{0}, most);
  if (item.has("leafWeight")) item.take("leafWeight", resources.io_leaf_weight.emplace(), std::uint64_t{0}, most);
  item.elements("weightDevice", [&](const Item& device) {
    if (device.has("leafWeight")) device.take("leafWeight", resources.io_leaf_weight.emplace(), std::uint64_t{0}, most);
    if (!device.has("weight")) return;
    cgroups::DeviceWeight& weight = resources.io_device_weights.emplace_back();
    take_device(device, weight.major, weight.minor);
    device.take("weight", weight.weight, std::uint64_t{0}, most);
  });
  item.take("throttleReadBpsDevice", resources.read_bps);
  item.take("throttleWriteBpsDevice", resources.write_bps);
  item.take("throttleReadIOPSDevice", resources.read_iops);
  item.take("throttleWriteIOPSDevice", resources.write_iops);
}

}  // namespace

static void read(const Item& item, DeviceRate& rate) {
  take_device(item, rate.major, rate.minor);
  item.take("rate", rate.rate);
}

static void read(const Item& item, HugepageLimit& limit) {
  item.take("pageSize", limit.size);
  item.take("limit", limit.limit);
}

// -1 and an absent number are any. An absent `access` is all three, as the rule then says nothing of it.
static void read(const Item& item, DeviceRule& rule) {
  item.take("allow", rule.allow);
  item.choose("type", kDeviceTypes, rule.type);
  item.take("major", rule.major, std::int64_t{-1}, kMostNumber);
  item.take("minor", rule.minor, std::int64_t{-1}, kMostNumber);
  const json::Value* access = item.find("access");
  if (!access) return;
  std::string letters;
  read(Item(*access, item, "access"), letters);
  const auto has = [&](char letter) { return letters.find(letter) != std::string::npos; };
  rule.read = has('r');
  rule.write = has('w');
  rule.make = has('m');
  if (letters.empty() || letters.find_first_not_of("rwm") != std::string::npos)
    Item(*access, item, "access").fail("must be of the letters r, w and m");
}

void read(const Item& item, Resources& resources) {
  const auto part = [&](std::string_view key, auto reader) {
    if (const json::Value* value = item.find(key)) reader(Item(*value, item, key), resources);
  };
  part("memory", read_memory);
  part("cpu", read_cpu);
  part("blockIO", read_block_io);
  part("pids", [](const Item& pids, Resources& to) { pids.take("limit", to.pids_limit); });
  item.take("hugepageLimits", resources.hugepages);
  item.members("rdma", [&](const Item& device, std::string_view name) {
    cgroups::RdmaLimit& limit = resources.rdma.emplace_back();
    limit.device = name;
    device.take("hcaHandles", limit.handles);
    device.take("hcaObjects", limit.objects);
  });
  part("network", [](const Item& network, Resources& to) {
    network.elements("priorities", [&](const Item&) { to.network = true; });
    to.network |= network.has("classID");
  });
  item.take("unified", resources.unified);
  std::sort(resources.unified.begin(), resources.unified.end());
  item.take("devices", resources.devices);
}

}  // namespace convox::oci
