// Do containers get the links that they should have, and does the host get everything back?
//
// convox-net alone, without convox: the store is filled here, and processes in network namespaces of their own play the
// containers. The host is played by a namespace of each test.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <optional>

#include "runtime/networks/machine.h"
#include "runtime/networks/store.h"
#include "tests/support/census.h"
#include "tests/support/fault_points.h"
#include "tests/support/needs.h"
#include "tests/support/net_namespace.h"
#include "tests/support/sandbox.h"

using namespace convox;
using namespace convox::test;

namespace {

constexpr auto kNeeds = Root | PrivateNamespaces;
const std::string kHere = "/proc/self/ns/net";

// A container that the store knows.
struct Member {
  std::string id;
  networks::Lease lease;
  NetNamespace name_space;
  [[nodiscard]] std::string slot() const { return cat(lease.place.slot); }
  [[nodiscard]] std::string link() const { return networks::link_name(id); }
};

// A host in a network namespace of its own, with a store; the test's process lives there from now on.
class Host {
 public:
  Host() {
    cr_assert(0 == ::unshare(CLONE_NEWNET));
    ip("link set lo up");
    Result<networks::Store> opened = networks::Store::open(box_.state());
    cr_assert(opened.has_value(), "%s", opened ? "" : opened.error().text.c_str());
    store_.emplace(*std::move(opened));
    prefix_ = *networks::ipv6_prefix();
  }
  [[nodiscard]] const networks::Store& store() const { return *store_; }
  [[nodiscard]] std::string net() const { return box_.state() + "/net"; }

  networks::Network network(const std::string& name) {
    const auto made = store_->ensure(name, [](std::uint32_t) { return true; });
    cr_assert(made.has_value());
    return *made;
  }
  Member member(const std::string& network_name, const std::string& id) {
    const networks::Network in = network(network_name);
    const std::string directory = cat(box_.state(), "/c/", id);
    make_directories(directory);
    const UniqueFd opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const auto lease = store_->lease(opened.get(), id, in, {}, prefix_);
    cr_assert(lease.has_value(), "%s", lease ? "" : lease.error().text.c_str());
    return {id, *lease, {}};
  }
  void release(const Member& member) {
    const UniqueFd opened(::open(cat(box_.state(), "/c/", member.id).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    cr_assert(store_->release(opened.get(), member.id).has_value());
  }

  Ran net(const std::vector<std::string>& words, Start how = {}) { return start(words, std::move(how)).wait(); }
  Program start(const std::vector<std::string>& words, Start how = {}) {
    if (how.argv.empty()) how.argv = {Sandbox::build() + "/convox-net"};
    how.argv.insert(how.argv.end(), words.begin(), words.end());
    return Program(how);
  }
  std::vector<std::string> attach_words(const Member& member) const {
    return {"attach", net(), member.lease.network, member.slot(), member.id, member.name_space.path()};
  }
  std::vector<std::string> detach_words(const Member& member) const {
    return {"detach", net(), member.lease.network, member.slot(), member.id};
  }
  Ran attach(const Member& member) { return net(attach_words(member)); }
  Ran detach(const Member& member) { return net(detach_words(member)); }

  [[nodiscard]] std::string address4(networks::Place place) const { return networks::text(networks::address4(place)); }
  [[nodiscard]] std::string address6(networks::Place place) const {
    return networks::text(networks::address6(prefix_.value_or(networks::Address6{}), place));
  }

 private:
  Sandbox box_;
  std::optional<networks::Store> store_;
  std::optional<networks::Address6> prefix_;
};

void has(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_CONTAINS(text, part);
}
void lacks(const std::string& text, const std::string& part) {
  cr_expect(text.find(part) == std::string::npos, "%s is in:\n%s", part.c_str(), text.c_str());
}

// Is `address` of `name_space`'s neighbours or of its own? A port where nobody listens says so at once.
bool reaches(const std::string& name_space, const std::string& address, int seconds = 8) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int file = ::open(name_space.c_str(), O_RDONLY);
    if (::setns(file, CLONE_NEWNET) != 0) ::_exit(9);
    sockaddr_in6 six{};
    sockaddr_in four{};
    const bool is_six = address.find(':') != std::string::npos;
    six.sin6_family = AF_INET6, four.sin_family = AF_INET;
    six.sin6_port = four.sin_port = htons(9);
    if (is_six)
      ::inet_pton(AF_INET6, address.c_str(), &six.sin6_addr);
    else
      ::inet_pton(AF_INET, address.c_str(), &four.sin_addr);
    const int socket = ::socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (is_six)
      ::connect(socket, reinterpret_cast<sockaddr*>(&six), sizeof six);
    else
      ::connect(socket, reinterpret_cast<sockaddr*>(&four), sizeof four);
    pollfd waiting{socket, POLLOUT, 0};
    ::poll(&waiting, 1, seconds * 1000);
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
    ::_exit(waiting.revents && error == ECONNREFUSED ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// What a container could have left in the namespace of the host. Not the state of the links: that follows later.
std::string links() {
  return in_namespace(
      "ip -o link | sed 's/^[0-9]*: //; s/@[^:]*//; s/<[^>]*>//; s/ state [A-Z]*//' | sort; "
      "ip -o addr | sed 's/^[0-9]*: //' | sort");
}

std::string sysctl(const std::string& name, const std::string& name_space = kHere) {
  std::string value = in_namespace(cat("cat /proc/sys/net/", name), name_space);
  while (value.ends_with('\n')) value.pop_back();
  return value;
}

// A failure of ours: one line, and nothing but that.
void expect_failure(const Ran& ran, int status, const std::string& part) {
  EXPECT_STATUS(ran, status);
  EXPECT_TEXT(ran.out, "");
  EXPECT_CONTAINS(ran.err, part);
  cr_expect(ran.err.find('\n') + 1 == ran.err.size(), "not one line: %s", ran.err.c_str());
}

}  // namespace

Test(network_links, a_container_has_its_addresses_routes_and_hardware_address) {
  REQUIRE(kNeeds);
  Host host;
  const Member web = host.member("web", "551967b75abd");
  EXPECT_STATUS(host.attach(web), 0);
  const std::string there = web.name_space.path();
  const networks::Place own = web.lease.place, bridge{own.subnet, networks::kBridgeSlot};

  has(ip("-o link show eth0", there), {",UP,LOWER_UP", "mtu 1500", "link/ether 56:19:67:b7:5a:bd"});
  const std::string addresses = ip("-o addr show dev eth0", there);
  has(addresses,
      {cat("inet ", host.address4(own), "/22 brd "), cat("inet6 ", host.address6(own), "/64 scope global nodad"),
       "inet6 fe80::5419:67ff:feb7:5abd/64 scope link nodad"});
  lacks(addresses, "tentative");
  cr_expect(std::ranges::count(addresses, '\n') == 3, "more than three addresses:\n%s", addresses.c_str());
  has(ip("route", there), {cat("default via ", host.address4(bridge), " dev eth0")});
  has(ip("-6 route", there), {cat("default via ", host.address6(bridge), " dev eth0")});
  for (const char* six : {"accept_ra", "accept_redirects"})
    EXPECT_TEXT(sysctl(cat("ipv6/conf/eth0/", six), there), "0");
  EXPECT_TEXT(sysctl("ipv4/conf/eth0/accept_redirects", there), "0");
  EXPECT_TEXT(sysctl("ipv4/conf/all/accept_redirects", there), "0");
}

Test(network_links, a_bridge_and_its_ports_are_confined) {
  REQUIRE(kNeeds);
  Host host;
  const Member web = host.member("web", "551967b75abd");
  EXPECT_STATUS(host.attach(web), 0);
  const networks::Place bridge{web.lease.place.subnet, networks::kBridgeSlot};

  has(ip("-d -o link show cx-web"), {",UP", "bridge ", "mcast_snooping 0", "convox: network web",
                                     networks::text(networks::bridge_hardware(bridge.subnet))});
  const std::string addresses = ip("-o addr show dev cx-web");
  has(addresses, {cat("inet ", host.address4(bridge), "/22 "),
                  cat("inet6 ", host.address6(bridge), "/64 scope global nodad"), "/64 scope link nodad"});
  cr_expect(std::ranges::count(addresses, '\n') == 3, "more than three addresses:\n%s", addresses.c_str());
  has(ip(cat("-d -o link show ", web.link())), {"master cx-web", "learning off", "state forwarding", ",UP,LOWER_UP",
                                                networks::text(networks::port_hardware(web.lease.place.slot))});
  EXPECT_TEXT(ip(cat("-o addr show dev ", web.link())), "");
  if (in_namespace("uname -r") >= "5.18") EXPECT_CONTAINS(in_namespace("bridge -d link"), "locked on");
  EXPECT_CONTAINS(in_namespace("bridge fdb"), cat("56:19:67:b7:5a:bd dev ", web.link(), " master cx-web static"));

  for (const char* four : {"send_redirects", "accept_redirects"})
    EXPECT_TEXT(sysctl(cat("ipv4/conf/cx-web/", four)), "0");
  for (const char* six : {"accept_ra", "accept_redirects"}) EXPECT_TEXT(sysctl(cat("ipv6/conf/cx-web/", six)), "0");
  EXPECT_TEXT(sysctl("ipv4/conf/cx-web/route_localnet"), "1");
  EXPECT_TEXT(sysctl("ipv4/conf/all/route_localnet"), "0");
  EXPECT_TEXT(sysctl("ipv4/ip_forward"), "1");
  EXPECT_TEXT(sysctl("ipv6/conf/all/forwarding"), "1");
}

Test(network_links, two_containers_of_a_network_and_the_host_reach_each_other) {
  REQUIRE(kNeeds);
  Host host;
  const Member web = host.member("app", "551967b75abd"), worker = host.member("app", "a51967b75abd");
  EXPECT_STATUS(host.attach(web), 0);
  EXPECT_STATUS(host.attach(worker), 0);
  const networks::Place bridge{web.lease.place.subnet, networks::kBridgeSlot};
  for (const bool six : {false, true}) {
    const auto address = [&](networks::Place place) { return six ? host.address6(place) : host.address4(place); };
    cr_expect(reaches(web.name_space.path(), address(worker.lease.place)), "ipv6: %d", six);
    cr_expect(reaches(worker.name_space.path(), address(web.lease.place)), "ipv6: %d", six);
    cr_expect(reaches(web.name_space.path(), address(bridge)), "ipv6: %d", six);
    cr_expect(reaches(kHere, address(worker.lease.place)), "ipv6: %d", six);
  }
}

Test(network_links, a_container_that_changes_its_hardware_address_is_not_heard) {
  REQUIRE(kNeeds);
  Host host;
  const Member web = host.member("app", "551967b75abd"), worker = host.member("app", "a51967b75abd");
  EXPECT_STATUS(host.attach(web), 0);
  EXPECT_STATUS(host.attach(worker), 0);
  if (in_namespace("bridge -d link").find("locked on") == std::string::npos)
    cr_skip("needs ports that can be locked (5.18)");
  ip("link set eth0 address 02:00:00:00:00:99", web.name_space.path());
  cr_expect(reaches(web.name_space.path(), host.address4(worker.lease.place), 1) == false);
  ip("link set eth0 address 56:19:67:b7:5a:bd", web.name_space.path());
  cr_expect(reaches(web.name_space.path(), host.address4(worker.lease.place)));
}

Test(network_links, attaching_twice_is_an_error_that_changes_nothing) {
  REQUIRE(kNeeds);
  Host host;
  const Member web = host.member("web", "551967b75abd");
  EXPECT_STATUS(host.attach(web), 0);
  const std::string before = links(), inside = ip("-o addr", web.name_space.path());
  expect_failure(host.attach(web), 1, "(EEXIST)");
  const NetNamespace other;
  std::vector<std::string> elsewhere = host.attach_words(web);
  elsewhere.back() = other.path();
  expect_failure(host.net(elsewhere), 1, "(EEXIST)");
  EXPECT_TEXT(links(), before);
  EXPECT_TEXT(ip("-o addr", web.name_space.path()), inside);
  lacks(ip("-o link", other.path()), "eth0");
}

Test(network_links, a_failed_attach_leaves_no_link) {
  REQUIRE(kNeeds);
  Host host;
  const Member web = host.member("web", "551967b75abd");
  EXPECT_STATUS(host.attach(web), 0);
  EXPECT_STATUS(host.detach(web), 0);
  const std::string before = links();
  ip("link add away type bridge", web.name_space.path());
  ip("link set away up", web.name_space.path());
  ip("route add default dev away", web.name_space.path());
  expect_failure(host.attach(web), 1, "default via");
  EXPECT_TEXT(links(), before);
  lacks(ip("-o link", web.name_space.path()), "eth0");
  ip("route del default", web.name_space.path());
  ip("link add eth0 type bridge", web.name_space.path());
  expect_failure(host.attach(web), 1, "a link of that name is there already");
  EXPECT_TEXT(links(), before);
}

Test(network_links, detach_and_remove_give_everything_back) {
  REQUIRE(kNeeds);
  Host host;
  const std::string empty = links();
  Member web = host.member("web", "551967b75abd"), worker = host.member("web", "a51967b75abd");
  EXPECT_STATUS(host.attach(web), 0);
  const std::string one = links();
  EXPECT_STATUS(host.attach(worker), 0);
  EXPECT_STATUS(host.detach(worker), 0);
  EXPECT_TEXT(links(), one);
  lacks(ip("-o link", worker.name_space.path()), "eth0");
  EXPECT_STATUS(host.detach(worker), 0);
  EXPECT_TEXT(links(), one);

  expect_failure(host.net({"remove", host.net(), "web"}), 1, "network web is in use");
  web.name_space.end();
  EXPECT_STATUS(host.detach(web), 0);
  host.release(web);
  host.release(worker);
  EXPECT_STATUS(host.net({"remove", host.net(), "web"}), 0);
  EXPECT_TEXT(links(), empty);
  EXPECT_STATUS(host.net({"remove", host.net(), "web"}), 0);
  EXPECT_STATUS(host.net({"remove", host.net(), "never-there"}), 0);
  EXPECT_STATUS(host.net({"detach", host.net(), "never-there", "7", "000000000000"}), 0);
}

Test(network_links, a_container_can_come_back_a_hundred_times) {
  REQUIRE(kNeeds);
  Host host;
  const Member web = host.member("web", "551967b75abd");
  EXPECT_STATUS(host.attach(web), 0);
  const std::string inside = ip("-o addr | sed 's/^[0-9]*: //'", web.name_space.path());
  for (int time = 0; time < 100; ++time) {
    EXPECT_STATUS(host.detach(web), 0);
    EXPECT_STATUS(host.attach(web), 0);
  }
  EXPECT_TEXT(ip("-o addr | sed 's/^[0-9]*: //'", web.name_space.path()), inside);
}

Test(network_links, a_link_that_only_has_our_name_is_an_error_and_stays) {
  REQUIRE(kNeeds);
  Host host;
  const Member web = host.member("web", "551967b75abd");
  for (const char* kind : {"veth peer name aside", "bridge"}) {
    ip(cat("link add cx-web type ", kind));
    const std::string before = links();
    expect_failure(host.attach(web), 1, "the host has a link 'cx-web' that is not ours");
    EXPECT_TEXT(links(), before);
    lacks(ip("-o link", web.name_space.path()), "eth0");
    ip("link del cx-web");
  }
  EXPECT_STATUS(host.attach(web), 0);
  EXPECT_STATUS(host.detach(web), 0);
  ip(cat("link add ", web.link(), " type veth peer name aside"));
  const std::string before = links();
  expect_failure(host.attach(web), 1, "a link of that name is there already");
  EXPECT_STATUS(host.detach(web), 0);
  EXPECT_TEXT(links(), before);
  host.release(web);
  EXPECT_STATUS(host.net({"remove", host.net(), "web"}), 0);
  ip("link add cx-web type bridge");
  EXPECT_STATUS(host.net({"remove", host.net(), "web"}), 0);
  EXPECT_CONTAINS(links(), "cx-web");
}

Test(network_links, twenty_containers_join_at_once) {
  REQUIRE(kNeeds);
  Host host;
  std::vector<Member> members;
  for (int number = 0; number < 20; ++number)
    members.push_back(host.member(number % 2 ? "web" : "api", cat("5519", 10000000 + number)));
  const std::string empty = links();
  std::vector<Program> running;
  for (const Member& member : members) running.push_back(host.start(host.attach_words(member)));
  for (Program& program : running) EXPECT_STATUS(program.wait(), 0);
  for (const Member& member : members) {
    has(ip("-o addr show dev eth0", member.name_space.path()),
        {host.address4(member.lease.place), host.address6(member.lease.place), "fe80:"});
    EXPECT_CONTAINS(ip(cat("-o link show ", member.link())), cat("master cx-", member.lease.network));
  }
  for (const char* bridge : {"cx-web", "cx-api"}) {
    const std::string addresses = ip(cat("-o addr show dev ", bridge));
    cr_expect(std::ranges::count(addresses, '\n') == 3, "of %s:\n%s", bridge, addresses.c_str());
  }
  cr_expect(reaches(members[0].name_space.path(), host.address6(members[18].lease.place)));
  running.clear();
  for (const Member& member : members) running.push_back(host.start(host.detach_words(member)));
  for (Program& program : running) EXPECT_STATUS(program.wait(), 0);
  for (const Member& member : members) host.release(member);
  for (const char* name : {"web", "api"}) EXPECT_STATUS(host.net({"remove", host.net(), name}), 0);
  EXPECT_TEXT(links(), empty);
}

Test(network_links, a_host_without_ipv6_works_with_ipv4_only) {
  REQUIRE(kNeeds);
  Host host;
  in_namespace("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6");
  const Member web = host.member("web", "551967b75abd"), worker = host.member("web", "a51967b75abd");
  EXPECT_STATUS(host.attach(web), 0);
  EXPECT_STATUS(host.attach(worker), 0);
  lacks(ip("-o addr show dev cx-web"), "inet6");
  lacks(ip("-6 route", web.name_space.path()), "default");
  EXPECT_TEXT(sysctl("ipv6/conf/all/forwarding"), "0");
  cr_expect(reaches(web.name_space.path(), host.address4(worker.lease.place)));
}

Test(network_links, a_container_without_ipv6_works_with_ipv4_only) {
  REQUIRE(kNeeds);
  Host host;
  const Member web = host.member("web", "551967b75abd");
  in_namespace("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6", web.name_space.path());
  EXPECT_STATUS(host.attach(web), 0);
  lacks(ip("-o addr show dev eth0", web.name_space.path()), "inet6");
  EXPECT_CONTAINS(ip("-o addr show dev cx-web"), "inet6");
  cr_expect(reaches(web.name_space.path(), host.address4({web.lease.place.subnet, networks::kBridgeSlot})));
}

Test(network_links, a_network_has_the_mtu_of_the_uplink_as_long_as_it_is_there) {
  REQUIRE(kNeeds);
  Host host;
  ip("link add other mtu 1300 type bridge");
  ip("link set other up");
  ip("link add uplink mtu 1400 type bridge");
  ip("link set uplink up");
  ip("addr add 192.0.2.2/24 dev uplink");
  ip("route add default via 192.0.2.1");
  const Member web = host.member("web", "551967b75abd");
  for (int time = 0; time < 2; ++time) {
    EXPECT_STATUS(host.attach(web), 0);
    EXPECT_CONTAINS(ip("-o link show cx-web"), "mtu 1400 ");
    EXPECT_CONTAINS(ip(cat("-o link show ", web.link())), "mtu 1400 ");
    EXPECT_CONTAINS(ip("-o link show eth0", web.name_space.path()), "mtu 1400 ");
    EXPECT_STATUS(host.detach(web), 0);
    EXPECT_CONTAINS(ip("-o link show cx-web"), "mtu 1400 ");
  }
  // A host of IPv6 only; and one where the world is told to be unreachable.
  ip("route del default");
  ip("-6 addr add 2001:db8::2/64 dev other nodad");
  ip("-6 route add default via 2001:db8::1");
  const Member six = host.member("six", "651967b75abd");
  EXPECT_STATUS(host.attach(six), 0);
  EXPECT_CONTAINS(ip("-o link show cx-six"), "mtu 1300 ");
  ip("-6 route del default");
  ip("route add unreachable default");
  const Member none = host.member("none", "751967b75abd");
  EXPECT_STATUS(host.attach(none), 0);
  EXPECT_CONTAINS(ip("-o link show cx-none"), "mtu 1500 ");
}

Test(network_links, a_host_that_learned_from_routers_goes_on_learning) {
  REQUIRE(kNeeds);
  Host host;
  for (const char* link : {"learns", "refuses"}) ip(cat("link add ", link, " type bridge"));
  in_namespace("echo 0 >/proc/sys/net/ipv6/conf/refuses/accept_ra");
  EXPECT_STATUS(host.attach(host.member("web", "551967b75abd")), 0);
  EXPECT_TEXT(sysctl("ipv6/conf/learns/accept_ra"), "2");
  EXPECT_TEXT(sysctl("ipv6/conf/refuses/accept_ra"), "0");
  EXPECT_TEXT(sysctl("ipv6/conf/default/accept_ra"), "1");
  // From now on it is the administrator's: a link that refuses to learn is left alone.
  in_namespace("echo 1 >/proc/sys/net/ipv6/conf/learns/accept_ra");
  EXPECT_STATUS(host.attach(host.member("web", "651967b75abd")), 0);
  EXPECT_TEXT(sysctl("ipv6/conf/learns/accept_ra"), "1");
}

Test(network_links, a_bridge_that_is_half_made_is_finished_by_whoever_comes_next) {
  REQUIRE(kNeeds);
  Host host;
  const Member web = host.member("web", "551967b75abd");
  const networks::Place bridge{web.lease.place.subnet, networks::kBridgeSlot};
  ip(cat("link add cx-web address ", networks::text(networks::bridge_hardware(bridge.subnet)), " type bridge"));
  ip("link set cx-web up");
  ip(cat("addr add ", host.address4(bridge), "/22 dev cx-web"));
  EXPECT_STATUS(host.attach(web), 0);
  has(ip("-o addr show dev cx-web"), {host.address4(bridge), host.address6(bridge), "fe80:"});
  EXPECT_TEXT(sysctl("ipv4/conf/cx-web/route_localnet"), "1");
}

Test(network_links, a_bridge_of_a_former_network_of_that_name_is_replaced) {
  REQUIRE(kNeeds);
  Host host;
  const Member web = host.member("web", "551967b75abd");
  ip(cat("link add cx-web address ", networks::text(networks::bridge_hardware(web.lease.place.subnet ^ 1)),
         " type bridge"));
  ip("addr add 10.223.252.1/22 dev cx-web");
  EXPECT_STATUS(host.attach(web), 0);
  EXPECT_CONTAINS(ip("-o link show cx-web"), networks::text(networks::bridge_hardware(web.lease.place.subnet)));
  lacks(ip("-o addr show dev cx-web"), "10.223.252.1");
}

Test(network_links, repair_makes_bridges_anew_and_their_members_ports_again) {
  REQUIRE(kNeeds);
  Host host;
  const Member web = host.member("web", "551967b75abd"), worker = host.member("web", "a51967b75abd");
  EXPECT_STATUS(host.attach(web), 0);
  EXPECT_STATUS(host.attach(worker), 0);
  const Member away = host.member("web", "b51967b75abd");
  const std::string before =
      in_namespace("ip -o -d addr show cx-web | sed 's/^[0-9]*: //'; bridge -d link | sed 's/^[0-9]*: //; s/@[^:]*//'");
  EXPECT_STATUS(host.net({"repair", host.net()}), 0);
  ip("link del cx-web");
  EXPECT_STATUS(host.net({"repair", host.net()}), 0);
  EXPECT_TEXT(
      in_namespace("ip -o -d addr show cx-web | sed 's/^[0-9]*: //'; bridge -d link | sed 's/^[0-9]*: //; s/@[^:]*//'"),
      before);
  cr_expect(reaches(web.name_space.path(), host.address6(worker.lease.place)));
  cr_expect(reaches(web.name_space.path(), host.address4({web.lease.place.subnet, networks::kBridgeSlot})));
}

Test(network_links, names_of_any_length_have_networks) {
  REQUIRE(kNeeds);
  Host host;
  const std::string base(62, 'a');
  const Member one = host.member(base + "1", "551967b75abd"), other = host.member(base + "2", "a51967b75abd");
  EXPECT_STATUS(host.attach(one), 0);
  EXPECT_STATUS(host.attach(other), 0);
  EXPECT_CONTAINS(ip(cat("-d -o link show ", networks::bridge_name(base + "1"))), cat("convox: network ", base, "1"));
  has(ip("-o link"), {networks::bridge_name(base + "1"), networks::bridge_name(base + "2")});
}

Test(network_links, what_cannot_be_done_is_said_in_one_line) {
  REQUIRE(kNeeds);
  Host host;
  const Member web = host.member("web", "551967b75abd");
  const std::string before = links(), net = host.net(), there = web.name_space.path();
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{},
                                             {"attach"},
                                             {"attach", net, "web", "2", web.id},
                                             {"detach", net, "web", "2"},
                                             {"repair"},
                                             {"repair", net, "web"},
                                             {"remove", net},
                                             {"fly", net},
                                             {"move", there},
                                             {"move", there, "a"},
                                             {"attach", net, "web", "2", web.id, there, "more"}})
    expect_failure(host.net(words), 2, "usage: convox-net ");
  expect_failure(host.net({"attach", net, "nobody", "2", web.id, there}), 1, "no such network: nobody");
  for (const char* slot : {"", "0", "1", "1023", "-2", "2x", "99999999999999999999"})
    expect_failure(host.net({"attach", net, "web", slot, web.id, there}), 1, cat("'", slot, "' is no slot"));
  expect_failure(host.net({"attach", net, "web", "2", web.id, "/proc/self/ns/uts"}), 1, "is not a network namespace");
  expect_failure(host.net({"attach", net, "web", "2", web.id, "/nowhere"}), 1, "(ENOENT)");
  expect_failure(host.net({"attach", net, "a\nb", "2", web.id, there}), 1, "a?b");
  expect_failure(host.net({"repair", "/elsewhere"}), 1, "does not end in /net");
  in_namespace("ip link del cx-web 2>/dev/null || true");
  EXPECT_TEXT(links(), before);
}

// Each call of a clean attach and detach fails in turn, or its process dies there.
Test(network_links, whatever_fails_the_next_detach_leaves_nothing, .timeout = 300) {
  REQUIRE(kNeeds);
  const std::string program = Sandbox::faults_build() + "/convox-net";
  if (::access(program.c_str(), X_OK) != 0) cr_skip("needs a build with MODE=faults");
  Host host;
  const Member web = host.member("web", "551967b75abd");
  const auto calls = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"/bin/bash", "-c", "exec 1000>\"$0\" \"$@\"", host.net() + "/log", program});
    EXPECT_STATUS(run({.argv = words}), 0);
    const std::string log = read_file(host.net() + "/log");
    ::unlink((host.net() + "/log").c_str());
    return points_in(log);
  };
  const std::string before = links();
  const std::vector<Point> attaching = calls(host.attach_words(web));
  const std::string attached = links(), inside = ip("-o addr | sed 's/^[0-9]*: //'", web.name_space.path());
  const std::vector<Point> detaching = calls(host.detach_words(web));
  const std::string detached = links();
  cr_expect(attaching.size() > 80 && detaching.size() > 10, "%zu and %zu calls", attaching.size(), detaching.size());

  const auto run_with = [&](const Point& point, const char* what, const std::vector<std::string>& words) {
    return host.net(words, {.argv = {program}, .environment = {cat("CONVOX_FAULT=", point.fault(what))}});
  };
  // Every third call, since each costs a link's deletion: the kernel takes 30 ms for one.
  auto faults = [turn = 0](const Point& point) mutable {
    std::vector<const char*> all;
    if (turn++ % 3 != 0) return all;
    all.push_back("ENOMEM");
    if (turn % 2 == 0) all.push_back("kill");
    if (point.call == "sendmsg" || point.call == "recvmsg") all.push_back("EINTR");
    return all;
  };
  const auto judge = [&](const Point& point, const char* what, const Ran& ran) {
    if (std::string_view(what) == "kill" && ran.status == 128 + SIGKILL) return;
    if (ran.status == 0) return;
    cr_expect(what != std::string_view("EINTR"), "%s: %s", point.fault(what).c_str(), ran.err.c_str());
    cr_expect(ran.status == 1 && ran.err.find('\n') + 1 == ran.err.size(), "%s: status %d: %s",
              point.fault(what).c_str(), ran.status, ran.err.c_str());
  };
  for (const Point& point : attaching)
    for (const char* what : faults(point)) {
      ip("link del cx-web 2>/dev/null || true");
      const Ran ran = run_with(point, what, host.attach_words(web));
      judge(point, what, ran);
      if (ran.status == 0) {
        EXPECT_TEXT(links(), attached);
        EXPECT_TEXT(ip("-o addr | sed 's/^[0-9]*: //'", web.name_space.path()), inside);
      } else if (ran.status == 1) {
        lacks(links(), web.link());
      }
      EXPECT_STATUS(host.detach(web), 0);
      lacks(links(), web.link());
      lacks(ip("-o link", web.name_space.path()), "eth0");
    }
  for (const Point& point : detaching)
    for (const char* what : faults(point)) {
      EXPECT_STATUS(host.attach(web), 0);
      judge(point, what, run_with(point, what, host.detach_words(web)));
      EXPECT_STATUS(host.detach(web), 0);
      EXPECT_TEXT(links(), detached);
    }
  ip("link del cx-web");
  EXPECT_TEXT(links(), before);
}
