// Do links of the host get into a container's network namespace, with their names and addresses?
//
// In the network namespace of scripts/private, which plays the host's; a child's plays the container's. The links are
// ends of veth pairs, whose other ends stay.
#include "runtime/oci/net_devices.h"

#include "tests/support/census.h"
#include "tests/support/needs.h"
#include "tests/support/net_namespace.h"

using namespace convox;
using namespace convox::oci;
using namespace convox::test;

namespace {

constexpr auto kNeeds = Root | PrivateNamespaces;

// A veth pair of the host: `name` and `name`-peer.
struct Pair {
  std::string name;
  explicit Pair(std::string called) : name(std::move(called)) {
    ip(cat("link add ", name, " type veth peer name ", name, "-peer"));
  }
  ~Pair() { ip(cat("link del ", name, "-peer")); }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
};

std::string moved(const std::vector<NetDevice>& devices, const std::string& name_space) {
  const Result<> result = move_net_devices(devices, name_space, "build/release/convox-net");
  return result ? "ok" : result.error().text;
}

bool has_link(const std::string& name) {
  for (const std::string& link : network_links())
    if (link.ends_with(cat(" ", name))) return true;
  return false;
}

}  // namespace

Test(net_devices, a_link_is_moved_renamed_and_up_with_its_addresses) {
  REQUIRE(kNeeds);
  const NetNamespace container;
  const Pair pair("data0");
  ip("addr add 10.1.2.3/24 broadcast 10.1.2.255 dev data0");
  ip("addr add 10.9.9.9 peer 10.9.9.1/32 dev data0");
  ip("addr add fd00::5/64 dev data0 nodad");
  ip("addr add 169.254.1.1/16 scope link dev data0");
  ip("addr add 10.7.7.7/24 dev data0 valid_lft 1000 preferred_lft 1000");
  ip("link set data0 up");
  EXPECT_TEXT(moved({{"data0", "eth0"}}, container.path()), "ok");
  cr_expect(has_link("data0") == false, "it is still here");
  cr_expect(has_link("data0-peer"));
  const std::string link = ip("-o link show eth0", container.path());
  EXPECT_CONTAINS(link, ",UP");
  const std::string addresses = ip("-o addr show eth0", container.path());
  EXPECT_CONTAINS(addresses, "inet 10.1.2.3/24 brd 10.1.2.255 scope global");
  EXPECT_CONTAINS(addresses, "inet 10.9.9.9 peer 10.9.9.1/32 scope global");
  EXPECT_CONTAINS(addresses, "inet6 fd00::5/64 scope global");
  cr_expect(addresses.find("169.254.") == std::string::npos, "of link scope:\n%s", addresses.c_str());
  cr_expect(addresses.find("10.7.7.7") == std::string::npos, "from a lease:\n%s", addresses.c_str());
}

Test(net_devices, a_pattern_takes_the_first_number_that_is_free) {
  REQUIRE(kNeeds);
  const NetNamespace container;
  const Pair one("data0"), other("data1");
  ip("link add net0 type veth peer name aside", container.path());
  EXPECT_TEXT(moved({{"data0", "net%d"}, {"data1", "net%d"}}, container.path()), "ok");
  ip("link show net1", container.path());
  ip("link show net2", container.path());
}

Test(net_devices, a_number_that_is_taken_there_is_no_obstacle) {
  REQUIRE(kNeeds);
  const NetNamespace container;
  const Pair pair("data0");
  const std::string index = ip("-o link show data0");
  ip(cat("link add name other index ", index.substr(0, index.find(':')), " type veth peer name aside"),
     container.path());
  EXPECT_TEXT(moved({{"data0", "data0"}}, container.path()), "ok");
  EXPECT_CONTAINS(ip("-o link show data0", container.path()), ",UP");
}

Test(net_devices, a_refused_move_moves_nothing) {
  REQUIRE(kNeeds);
  const NetNamespace container;
  const Pair one("data0"), other("data1");
  ip("link add taken type veth peer name aside", container.path());
  const auto here = network_links();
  const std::string there = ip("-o link show", container.path());
  EXPECT_TEXT(moved({{"data0", "eth0"}, {"data1", "taken"}}, container.path()),
              "linux.netDevices: moving data1: the container has a link 'taken' already");
  EXPECT_TEXT(moved({{"data0", "eth0"}, {"missing", "eth1"}}, container.path()),
              "linux.netDevices: the host has no such link: RTM_GETLINK missing: No such device (ENODEV)");
  EXPECT_TEXT(moved({{"data0", "eth0"}, {"data1", "eth0"}}, container.path()),
              "linux.netDevices: two links cannot be named 'eth0'");
  for (const char* name : {"", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\nb", "sixteen-bytes-16", "e%d%d", "e%s", "%"})
    EXPECT_CONTAINS(moved({{"data0", name}}, container.path()), "is no name of a link");
  EXPECT_CONTAINS(moved({{"data%d", "eth0"}}, container.path()), "is no name of a link");
  EXPECT_TEXT(moved({{"data0", "eth0"}}, "/proc/self/ns/uts"),
              "linux.netDevices: /proc/self/ns/uts is not a network namespace");
  EXPECT_TEXT(moved({{"data0", "eth0"}}, "/dev/null"), "linux.netDevices: /dev/null is not a network namespace");
  EXPECT_CONTAINS(moved({{"data0", "eth0"}}, "/proc/self/ns/missing"), "(ENOENT)");
  EXPECT_CONTAINS(moved({{"lo", "eth0"}}, container.path()), "(EINVAL)");
  cr_expect(network_links() == here);
  EXPECT_TEXT(ip("-o link show", container.path()), there);
  EXPECT_TEXT(moved({{"data0", "fifteen-bytes15"}}, container.path()), "ok");
}

Test(net_devices, without_devices_no_program_is_started) {
  cr_expect(move_net_devices({}, "/proc/self/ns/net", "/nowhere").has_value());
  cr_expect(move_net_devices({{"a", "b"}}, "/proc/self/ns/net", "/nowhere").has_value() == false);
}
