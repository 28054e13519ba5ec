// No root, no kernel: who has which address follows from numbers and names alone.
#include <criterion/criterion.h>

#include <set>

#include "runtime/base/cat.h"
#include "runtime/networks/addresses.h"
#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::networks;

namespace {

constexpr std::string_view kMachine = "0123456789abcdef0123456789abcdef\n";

bool is_link_name(const std::string& name) {
  return !name.empty() && name.size() <= 15 && name.find_first_of("/: \t\n%") == std::string::npos;
}

std::vector<std::string> ids(std::uint32_t count) {
  std::vector<std::string> made;
  for (std::uint32_t at = 0; at < count; ++at) {
    std::string digits;
    for (std::uint64_t value = at * 0x9e3779b97f4a7c15ULL + 1; digits.size() < 12; value >>= 4)
      digits += "0123456789abcdef"[value & 15];
    made.push_back(digits);
  }
  return made;
}

}  // namespace

Test(network_addresses, subnets_tile_the_pool_and_slots_their_subnet) {
  expect_text(text(address4({0, kBridgeSlot})), "10.208.0.1");
  expect_text(text(address4({0, kLastSlot})), "10.208.3.254");
  expect_text(text(address4({1, kBridgeSlot})), "10.208.4.1");
  expect_text(text(address4({1, 255})), "10.208.4.255");
  expect_text(text(address4({1, 256})), "10.208.5.0");
  expect_text(text(address4({kSubnets - 1, kBridgeSlot})), "10.223.252.1");
  expect_text(text(address4({kSubnets - 1, kLastSlot})), "10.223.255.254");
}

Test(network_addresses, no_two_places_share_an_address) {
  std::set<Address4> four;
  std::set<Address6> six;
  const Address6 prefix = machine_prefix(kMachine);
  std::size_t places = 0;
  for (std::uint32_t subnet = 0; subnet < kSubnets; subnet += 31)
    for (std::uint32_t slot = kBridgeSlot; slot <= kLastSlot; ++slot, ++places) {
      four.insert(address4({subnet, slot}));
      six.insert(address6(prefix, {subnet, slot}));
    }
  cr_expect(four.size() == places && six.size() == places);
}

Test(network_addresses, ipv6_is_written_in_the_canonical_form) {
  Address6 prefix{0xfd, 0x00, 0x0a, 0x00, 0x00, 0x01};
  expect_text(text(address6(prefix, {0x2a, 0x3fe})), "fd00:a00:1:2a::3fe");
  expect_text(text(address6(prefix, {0, 1})), "fd00:a00:1::1");
  expect_text(text(Address6{}), "::");
  expect_text(text(Address6{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}), "2001:db8:0:1:1:1:1:1");
}

Test(network_addresses, a_machine_has_one_unique_local_prefix_and_another_machine_another) {
  const Address6 prefix = machine_prefix(kMachine);
  cr_expect(prefix[0] == 0xfd);
  for (std::size_t byte = 6; byte < prefix.size(); ++byte) cr_expect(prefix[byte] == 0, "byte %zu", byte);
  cr_expect(machine_prefix("0123456789abcdef0123456789abcdef") == prefix, "the line's end tells nothing");
  cr_expect(machine_prefix("1123456789abcdef0123456789abcdef\n") != prefix);
  std::set<Address6> prefixes;
  for (const std::string& id : ids(10'000)) prefixes.insert(machine_prefix(cat(id, id)));
  cr_expect(prefixes.size() >= 9'999, "40 bits, and %zu prefixes of 10,000 machines", prefixes.size());
}

Test(network_addresses, a_hardware_address_is_unicast_and_locally_administered) {
  expect_text(text(hardware_address("551967b75abd")), "56:19:67:b7:5a:bd");
  expect_text(text(hardware_address("ffffffffffff")), "fe:ff:ff:ff:ff:ff");
  expect_text(text(hardware_address("000000000000")), "02:00:00:00:00:00");
  expect_text(text(bridge_hardware(0x2a5)), "02:63:78:00:02:a5");
  expect_text(text(port_hardware(0x3fe)), "02:63:78:01:03:fe");
  for (const char* odd : {"", "web", "551967B75ABD", "551967b75abd0"})
    cr_expect((hardware_address(odd)[0] & 3) == 2, "%s", odd);
  cr_expect(hardware_address("web") != hardware_address("worker"));
}

Test(network_addresses, a_mark_tells_bridges_and_ports_apart) {
  cr_expect(has_mark(bridge_hardware(kSubnets - 1), kBridgeMark));
  cr_expect(has_mark(port_hardware(kLastSlot), kPortMark));
  cr_expect(has_mark(port_hardware(kLastSlot), kBridgeMark) == false);
  cr_expect(has_mark(hardware_address("551967b75abd"), kPortMark) == false);
}

Test(network_addresses, a_link_local_address_is_the_hardware_address_in_eui_64_form) {
  expect_text(text(link_local({0x56, 0x19, 0x67, 0xb7, 0x5a, 0xbd})), "fe80::5419:67ff:feb7:5abd");
}

Test(network_addresses, every_name_gives_a_links_name) {
  expect_text(bridge_name("web"), "cx-web");
  expect_text(bridge_name("twelve-bytes"), "cx-twelve-bytes");
  expect_text(link_name("551967b75abd"), "cx551967b75abd");
  const std::string long_name(300, 'a');
  for (const std::string& odd : {std::string("thirteen-bytes"), long_name, std::string(), std::string("-web"),
                                 std::string("a/b"), std::string("a b"), std::string(".."), std::string("%d"),
                                 std::string("Web"), std::string("a.b"), std::string("\xc3\xa4")}) {
    const std::string bridge = bridge_name(odd), link = link_name(odd);
    cr_expect(is_link_name(bridge) && bridge.starts_with("cx--"), "%s: %s", odd.c_str(), bridge.c_str());
    cr_expect(is_link_name(link) && link.starts_with("cx_"), "%s: %s", odd.c_str(), link.c_str());
  }
}

Test(network_addresses, names_do_not_collide) {
  cr_expect(bridge_name("thirteen-byte") != bridge_name("thirteen-bytf"));
  // A network that is called as the hash of another one, or as a container.
  const std::string hashed = bridge_name("a-name-of-an-app-that-is-long");
  cr_expect(bridge_name(hashed.substr(3)) != hashed);
  cr_expect(bridge_name("551967b75abd") != link_name("551967b75abd"));
  std::set<std::string> names;
  const std::vector<std::string> all = ids(20'000);
  for (const std::string& id : all) {
    names.insert(bridge_name(cat("app-of-many-", id)));
    names.insert(bridge_name(id));
    names.insert(link_name(id));
  }
  cr_expect(names.size() == 3 * all.size(), "%zu", names.size());
}

Test(network_addresses, a_search_begins_at_the_same_place_within_bounds_and_everywhere_alike) {
  cr_expect(first_subnet("web") == first_subnet("web"));
  std::set<std::uint32_t> subnets, slots;
  for (const std::string& id : ids(20'000)) {
    subnets.insert(first_subnet(id));
    slots.insert(first_slot(id));
  }
  cr_expect(subnets.size() == kSubnets && *subnets.rbegin() < kSubnets);
  cr_expect(*slots.begin() == kFirstSlot && *slots.rbegin() == kLastSlot);
  cr_expect(slots.size() == kLastSlot - kFirstSlot + 1, "%zu", slots.size());
}
