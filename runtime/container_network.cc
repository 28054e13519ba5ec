#include "runtime/container_network.h"

#include <fcntl.h>
#include <unistd.h>

#include <bitset>
#include <cerrno>

#include "runtime/base/fs.h"
#include "runtime/base/words.h"
#include "runtime/networks/machine.h"

namespace convox::runtime {
namespace {

constexpr const char* kHelper = "convox-net";
constexpr int kLongest = 30;  // seconds: a batch takes milliseconds, the wait for another one's lock may be long
constexpr int kRaces = 16;    // with commands that remove the network
constexpr std::size_t kLargestRoutes = 16 << 20;  // a router may know all of the internet

// The network is made when its first container comes; somebody may remove it before that one has an address.
Result<networks::Lease> lease_in(const networks::Store& store, int directory, const ContainerConfig& config) {
  const std::string& name = config.network.name;
  const auto prefix = TRY(networks::ipv6_prefix());
  const std::vector<std::string> names = {config.service, cat(config.service, ".", name)};
  for (int race = 0;; ++race) {
    std::string routes;
    if (!TRY(store.find(name))) routes = TRY(fs::read(AT_FDCWD, "/proc/net/route", kLargestRoutes));
    const networks::Network network = TRY(store.ensure(name, free_beside(routes)));
    auto lease = store.lease(directory, config.id, network, names, prefix);
    if (lease || lease.error().code != ENOENT || race == kRaces) return lease;
  }
}

}  // namespace

networks::Store::IsFree free_beside(std::string_view routes) {
  using namespace networks;
  std::bitset<kSubnets> taken;
  const auto host_order = [](const Address4& address) {
    return std::uint32_t{address[0]} << 24 | std::uint32_t{address[1]} << 16 | std::uint32_t{address[2]} << 8 |
           address[3];
  };
  const std::uint32_t size = 1u << (32 - kPrefix4), pool = host_order(address4({0, 0}));
  cut(routes, '\n');  // the names of the columns
  while (!routes.empty()) {
    std::string_view line = cut(routes, '\n');
    const std::string_view link = cut(line, '\t');
    const auto destination = number(cut(line, '\t'), 16);
    for (int column = 2; column < 7; ++column) cut(line, '\t');
    const auto mask = number(cut(line, '\t'), 16);
    // A default route leads everywhere, and so says nothing; our own bridges are in the store, or left over.
    if (!destination || !mask || *mask == 0 || link.starts_with("cx-")) continue;
    const std::uint32_t first = __builtin_bswap32(static_cast<std::uint32_t>(*destination));
    const std::uint32_t last = first | ~__builtin_bswap32(static_cast<std::uint32_t>(*mask));
    for (std::uint32_t subnet = 0; subnet < kSubnets; ++subnet)
      if (first <= pool + subnet * size + (size - 1) && pool + subnet * size <= last) taken.set(subnet);
  }
  return [taken](std::uint32_t subnet) { return !taken.test(subnet); };
}

Program network_helper(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), kHelper);
  Program program{
      .path = helper_path(kHelper), .arguments = std::move(arguments), .environment = {}, .seconds = kLongest};
#ifdef CONVOX_FAULTS
  if (const char* fault = faults::environment()) program.environment.emplace_back(fault);
#endif
  return program;
}

Result<> judge(const Finished& finished) {
  if (finished.status == 0) return ok();
  if (finished.status > 128) return invalid(cat(kHelper, " was killed by signal ", finished.status - 128));
  std::string_view said = finished.errors;
  said = cut(said, '\n');
  if (said.empty()) return invalid(cat(kHelper, " ended with status ", finished.status));
  return invalid(said);
}

Result<networks::Lease> join_network(const std::string& run, int directory, const ContainerConfig& config) {
  // Before there is anything that only it could undo.
  const std::string helper = helper_path(kHelper);
  TRY(check(sys::faccessat2(AT_FDCWD, helper.c_str(), X_OK, AT_EACCESS), "execute", helper));
  const networks::Store store = TRY(networks::Store::open(run));
  networks::Lease lease = TRY(lease_in(store, directory, config));
  TRY(store.publish(config.id, config.service, lease, config.network.published));
  return lease;
}

Result<> leave_network(const std::string& run, int directory, const std::string& id) {
  const long there = sys::faccessat2(directory, "net", F_OK, AT_SYMLINK_NOFOLLOW);
  if (there == -ENOENT) return ok();
  TRY(check(there, "look at", "the container's network"));
  const networks::Store store = TRY(networks::Store::open(run));
  if (const auto lease = TRY(store.leased(directory, id))) {
    const Finished finished =
        TRY(run_program(network_helper({"detach", store.path(), lease->network, cat(lease->place.slot), id})));
    TRY(judge(finished), "leaving network ", lease->network);
  }
  return store.release(directory, id);
}

Result<bool> remove_network(const networks::Store& store, const std::string& name) {
  if (!TRY(store.members(name)).empty()) return false;
  const Finished finished = TRY(run_program(network_helper({"remove", store.path(), name})));
  TRY(judge(finished), "removing network ", name);
  return store.remove(name);
}

}  // namespace convox::runtime
