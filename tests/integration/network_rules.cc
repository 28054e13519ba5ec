// Do the rules let through what they should, and nothing else?
//
// Each test is a host with a world around it and containers in networks, all of them network namespaces of its own
// (support/network_lab.h). Links and rules are made by the functions that convox-net calls, from a store whose leases
// are as `run` would have made them. Whatever is said not to pass is sent together with something that
// does pass, or passes once the rules are gone.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <seccomp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "runtime/base/cat.h"
#include "runtime/base/words.h"
#include "runtime/net/attach.h"
#include "runtime/net/firewall.h"
#include "runtime/networks/machine.h"
#include "tests/support/files.h"
#include "tests/support/needs.h"
#include "tests/support/network_lab.h"
#include "tests/support/wait.h"

using namespace convox;
using namespace convox::networks;
using namespace convox::test;

namespace {

constexpr auto kNeeds = Root | PrivateNamespaces;
constexpr const char *kHost4 = "192.0.2.1", *kWorld4 = "192.0.2.2", *kHost6 = "2001:db8::1", *kWorld6 = "2001:db8::2";

void expect_ok(const Result<>& result) {
  cr_assert(result.has_value(), "%s", result ? "" : result.error().text.c_str());
}

struct Container {
  std::string id;
  Lease lease;
  std::unique_ptr<Node> node;
  std::string address4, address6;
  [[nodiscard]] std::string network() const { return node->network(); }
};

// A directory CONVOX_RUN with leases in it.
class Leases {
 public:
  Leases() : run_(cat("/tmp/convox-rules-", ::getpid())), store_(open(run_)) {}
  ~Leases() { remove_tree(run_); }
  Leases(const Leases&) = delete;
  Leases& operator=(const Leases&) = delete;

  const Store& store() const { return store_; }
  Network network(const std::string& name) const {
    auto network = store_.ensure(name, [](std::uint32_t) { return true; });
    cr_assert(network.has_value());
    return *network;
  }
  Lease lease(const std::string& network, const std::string& id) const {
    make_directories(cat(run_, "/c/", id));
    const UniqueFd directory(::open(cat(run_, "/c/", id).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const auto prefix = ipv6_prefix();
    cr_assert(prefix.has_value());
    auto lease = store_.lease(directory.get(), id, this->network(network), {}, *prefix);
    cr_assert(lease.has_value(), "%s", lease ? "" : lease.error().text.c_str());
    return *lease;
  }
  void publish(const std::string& id, const Lease& lease, const Published& port, const std::string& service = "web") {
    expect_ok(store_.publish(id, service, lease, {port}));
  }
  void release(const std::string& id) const {
    const UniqueFd directory(::open(cat(run_, "/c/", id).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    expect_ok(store_.release(directory.get(), id));
  }

 private:
  static Store open(const std::string& run) {
    make_directories(run);
    ::chmod(run.c_str(), 0700);
    auto store = Store::open(run);
    cr_assert(store.has_value());
    return std::move(*store);
  }
  std::string run_;
  Store store_;
};

// The host, the world, and the leases.
class Lab : public Leases {
 public:
  Lab() {
    become_a_host();
    world_ = std::make_unique<Node>("world");
    shell(cat("ip link add up0 type veth peer name eth0 netns ", world_->pid()));
    shell(cat("ip addr add ", kHost4, "/24 dev up0; ip addr add ", kHost6, "/64 dev up0 nodad; ip link set up0 up"));
    shell(
        cat("ip addr add ", kWorld4, "/24 dev eth0; ip addr add ", kWorld6, "/64 dev eth0 nodad; ip link set eth0 up"),
        world_->network());
  }
  std::string world() const { return world_->network(); }

  // In network `network`, and admitted if `admitted`.
  Container& start(const std::string& network, const std::string& id, bool admitted = true) {
    Container made{id, lease(network, id), std::make_unique<Node>(cat("c", id.substr(10))), {}, {}};
    made.address4 = text(address4(made.lease.place));
    if (const auto prefix = ipv6_prefix(); prefix && *prefix)
      made.address6 = text(address6(**prefix, made.lease.place));
    expect_ok(net::attach(this->network(network), {id, made.lease.place.slot}, made.network()));
    containers_.push_back(std::make_unique<Container>(std::move(made)));
    if (admitted) admit(*containers_.back());
    return *containers_.back();
  }
  void admit(const Container& container) const { expect_ok(net::admit(store(), container.lease, container.id)); }
  void dismiss(const Container& container) const { expect_ok(net::dismiss(store(), container.lease, container.id)); }
  void serve(const Container& container, const Published& port) {
    publish(container.id, container.lease, port);
    admit(container);
  }

 private:
  std::unique_ptr<Node> world_;
  std::vector<std::unique_ptr<Container>> containers_;
};

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
  return text;
}

// A set is a hash, of which the kernel lists the elements in an order of its own.
std::string sorted_elements(std::string rules) {
  const std::string begin = "elements = { ", end = " }\n";
  for (std::size_t at = 0; (at = rules.find(begin, at)) != std::string::npos;) {
    at += begin.size();
    const std::size_t size = rules.find(end, at) - at;
    std::vector<std::string> elements;
    std::string rest = rules.substr(at, size);
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      const std::size_t first = rest.find_first_not_of(" \t\n");
      elements.push_back(rest.substr(first, comma - first));
      rest.erase(0, comma + 1);
    }
    std::ranges::sort(elements);
    std::string sorted;
    for (const std::string& element : elements) sorted += cat(sorted.empty() ? "" : ",\n\t\t\t     ", element);
    rules.replace(at, size, sorted);
  }
  return rules;
}

std::string sorted_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) lines.emplace_back(cut(text, '\n'));
  std::ranges::sort(lines);
  std::string sorted;
  for (const std::string& line : lines) sorted += cat(line, "\n");
  return sorted;
}

// What nft prints, without what differs from machine to machine.
std::string ruleset() {
  std::string rules = shell("nft list ruleset");
  const std::string boot = read_file("/proc/sys/kernel/random/boot_id").substr(0, 8);
  rules = replaced(rules, cat("boot ", boot), "boot 01234567");
  const std::string own = text(address6(**ipv6_prefix(), {0, 0})), prefix = own.substr(0, own.size() - 1);
  return sorted_elements(replaced(rules, prefix, "fd00:1:2:"));
}

// Where the module br_netfilter is loaded, as it is with Docker, frames within a bridge pass the chains of inet too.
void bridge_without_netfilter() {
  shell(
      "cd /proc/sys/net/bridge 2>/dev/null || exit 0; echo 0 >bridge-nf-call-iptables; echo 0 "
      ">bridge-nf-call-ip6tables");
}

const std::string kA = "0a0000000001", kB = "0a0000000002", kC = "0a0000000003", kD = "0a0000000004";
const Published kWeb{"tcp", "", 8080, 80, {}};

}  // namespace

Test(network_rules, the_ruleset_is_the_one_of_the_golden_file) {
  REQUIRE(kNeeds);
  become_a_host();
  Leases leases;
  for (const std::string& id : {kA, kB, kC}) {
    const Lease lease = leases.lease("web", id);
    leases.publish(id, lease, {"tcp", "", 8080, 80, {"10.0.0.0/8", "192.0.2.7", "10.1.0.0/16", "2001:db8::/32"}});
    if (id == kA) leases.publish(id, lease, {"udp", "127.0.0.1", 53, 53, {}}, "names");
    if (id == kB) leases.publish(id, lease, {"tcp", "", 443, 8443, {}}, "tls");
    expect_ok(net::admit(leases.store(), lease, id));
  }
  expect_ok(net::admit(leases.store(), leases.lease("other", kD), kD));
  const std::string grown = ruleset();
  expect_ok(net::rebuild(leases.store()));
  const std::string rules = ruleset();
  if (::getenv("CONVOX_GOLDEN")) write_file("tests/golden/ruleset.nft", rules);
  EXPECT_TEXT(rules, read_file("tests/golden/ruleset.nft"));
  // However it came about, it is the same but for the order in which ports came.
  EXPECT_TEXT(sorted_lines(grown), sorted_lines(rules));
}

namespace {

void published_ports_answer(Lab& lab) {
  const Container& server = lab.start("web", kA);
  const Container& neighbour = lab.start("web", kB);
  const Container& stranger = lab.start("other", kC);
  lab.serve(server, kWeb);
  lab.serve(server, {"udp", "", 5353, 53, {}});
  const std::string gateway4 = text(address4({server.lease.place.subnet, kBridgeSlot}));
  const std::string gateway6 = text(address6(**ipv6_prefix(), {server.lease.place.subnet, kBridgeSlot}));

  EXPECT_TEXT(ask_tcp("", "127.0.0.1", 8080), cat("c01 from ", gateway4));
  EXPECT_TEXT(ask_tcp("", kHost4, 8080), cat("c01 from ", kHost4));
  EXPECT_TEXT(ask_tcp("", kHost6, 8080), cat("c01 from ", kHost6));
  EXPECT_TEXT(ask_tcp("", "::1", 8080), "refused");
  EXPECT_TEXT(ask_tcp(lab.world(), kHost4, 8080), cat("c01 from ", kWorld4));
  EXPECT_TEXT(ask_tcp(lab.world(), kHost6, 8080), cat("c01 from ", kWorld6));
  EXPECT_TEXT(ask_udp("", "127.0.0.1", 5353), cat("c01 from ", gateway4));
  EXPECT_TEXT(ask_udp(lab.world(), kHost4, 5353), cat("c01 from ", kWorld4));
  EXPECT_TEXT(ask_udp(lab.world(), kHost6, 5353), cat("c01 from ", kWorld6));
  // Hairpin: from itself and from its neighbour, who would otherwise get the answer from somebody it never asked.
  EXPECT_TEXT(ask_tcp(server.network(), kHost4, 8080), cat("c01 from ", gateway4));
  EXPECT_TEXT(ask_tcp(server.network(), kHost6, 8080), cat("c01 from ", gateway6));
  EXPECT_TEXT(ask_tcp(neighbour.network(), kHost4, 8080), cat("c01 from ", gateway4));
  EXPECT_TEXT(ask_tcp(neighbour.network(), gateway4, 8080), cat("c01 from ", gateway4));
  EXPECT_TEXT(ask_tcp(neighbour.network(), kHost6, 8080), cat("c01 from ", gateway6));
  // What is open to the world is open to another network.
  EXPECT_TEXT(ask_tcp(stranger.network(), kHost4, 8080), cat("c01 from ", gateway4));
  // No other port is.
  EXPECT_TEXT(ask_tcp(lab.world(), kHost4, 8081), "refused");
}

}  // namespace

Test(network_rules, a_published_port_answers_the_host_the_world_and_containers) {
  REQUIRE(kNeeds);
  Lab lab;
  published_ports_answer(lab);
}

Test(network_rules, a_published_port_answers_the_host_the_world_and_containers_without_br_netfilter) {
  REQUIRE(kNeeds);
  Lab lab;
  bridge_without_netfilter();
  published_ports_answer(lab);
}

Test(network_rules, processes_behind_a_port_share_it_evenly_and_one_that_leaves_is_out_at_once) {
  REQUIRE(kNeeds);
  Lab lab;
  std::vector<const Container*> servers;
  for (const std::string& id : {kA, kB, kC}) {
    servers.push_back(&lab.start("web", id));
    lab.serve(*servers.back(), kWeb);
  }
  // "c01 10 c02 10": who answered how often.
  const auto shares = [&](const std::string& address, int times) {
    std::map<std::string, int> counts;
    for (int time = 0; time < times; ++time) {
      const std::string answer = ask_tcp(lab.world(), address, 8080);
      ++counts[answer.substr(0, answer.find(' '))];
    }
    std::string text;
    for (const auto& [name, count] : counts) text += cat(text.empty() ? "" : " ", name, " ", count);
    return text;
  };
  EXPECT_TEXT(shares(kHost4, 30), "c01 10 c02 10 c03 10");
  EXPECT_TEXT(shares(kHost6, 30), "c01 10 c02 10 c03 10");
  lab.dismiss(*servers[1]);
  EXPECT_TEXT(shares(kHost4, 20), "c01 10 c03 10");
  lab.dismiss(*servers[0]);
  EXPECT_TEXT(shares(kHost4, 5), "c03 5");
  EXPECT_TEXT(shares(kHost6, 5), "c03 5");
  lab.dismiss(*servers[2]);
  EXPECT_TEXT(ask_tcp(lab.world(), kHost4, 8080), "refused");
  cr_expect(shell("nft list ruleset").find("8080") == std::string::npos);
}

Test(network_rules, a_client_that_goes_on_sending_datagrams_is_led_to_who_is_there) {
  REQUIRE(kNeeds);
  Lab lab;
  const Container& first = lab.start("web", kA);
  const Container& second = lab.start("web", kB);
  const Published port{"udp", "", 5353, 53, {}};
  lab.serve(first, port);
  // One socket, and so one conversation.
  const auto conversation = [](const char* host, const std::function<void()>& meanwhile) {
    const bool four = strchr(host, ':') == nullptr;
    const UniqueFd socket(::socket(four ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in to4{};
    sockaddr_in6 to6{};
    to4.sin_family = AF_INET;
    to6.sin6_family = AF_INET6;
    to4.sin_port = to6.sin6_port = htons(5353);
    ::inet_pton(to4.sin_family, host, &to4.sin_addr);
    ::inet_pton(to6.sin6_family, host, &to6.sin6_addr);
    const auto* to = four ? reinterpret_cast<sockaddr*>(&to4) : reinterpret_cast<sockaddr*>(&to6);
    cr_assert(0 == ::connect(socket.get(), to, four ? sizeof to4 : sizeof to6));
    const auto answer = [&] {
      char text[64];
      pollfd ready{socket.get(), POLLIN, 0};
      if (::send(socket.get(), "?", 1, 0) != 1 || ::poll(&ready, 1, kSoon * slowness()) < 1)
        return std::string("silence");
      const ssize_t got = ::recv(socket.get(), text, sizeof text, 0);
      return std::string(text, got < 3 ? 0 : 3);
    };
    std::string all = answer();
    meanwhile();
    return cat(all, " ", answer());
  };
  EXPECT_TEXT(conversation(kHost4, [&] { lab.serve(second, port); }), "c01 c01");
  EXPECT_TEXT(conversation(kHost6, [] {}), "c01 c01");
  lab.dismiss(second);
  EXPECT_TEXT(conversation(kHost4, [&] { lab.serve(second, port), lab.dismiss(first); }), "c01 c02");
  EXPECT_TEXT(conversation(kHost6, [&] { lab.serve(first, port), lab.dismiss(second); }), "c02 c01");
}

Test(network_rules, a_whitelist_lets_in_the_host_and_who_is_on_it) {
  REQUIRE(kNeeds);
  Lab lab;
  const Container& server = lab.start("web", kA);
  const Container& other = lab.start("other", kB);
  shell("ip addr add 192.0.2.77/24 dev eth0; ip addr add 2001:db8::77/64 dev eth0 nodad", lab.world());
  lab.serve(server, {"tcp", "", 8080, 80, {"192.0.2.64/28", "192.0.2.70/31", "2001:db8::77"}});
  lab.serve(server, {"tcp", "", 8081, 80, {"198.51.100.0/24"}});
  // The source of a connection is what a route says.
  const auto from = [&](const std::string& four, const std::string& six, const std::string& address, int port,
                        int milliseconds = kSilence) {
    shell(cat("ip route replace ", kHost4, " dev eth0 src ", four, "; ip -6 route replace ", kHost6, " dev eth0 src ",
              six),
          lab.world());
    return ask_tcp(lab.world(), address, port, milliseconds);
  };
  EXPECT_TEXT(from("192.0.2.77", "2001:db8::77", kHost4, 8080, kSoon), "c01 from 192.0.2.77");
  EXPECT_TEXT(from("192.0.2.77", "2001:db8::77", kHost6, 8080, kSoon), "c01 from 2001:db8::77");
  EXPECT_TEXT(from(kWorld4, kWorld6, kHost4, 8080), "silence");
  EXPECT_TEXT(from(kWorld4, kWorld6, kHost6, 8080), "silence");
  EXPECT_TEXT(from("192.0.2.77", "2001:db8::77", kHost4, 8081), "silence");
  EXPECT_TEXT(from("192.0.2.77", "2001:db8::77", kHost6, 8081), "silence");
  EXPECT_TEXT(ask_tcp("", kHost4, 8081), cat("c01 from ", kHost4));
  EXPECT_TEXT(ask_tcp("", kHost6, 8081), cat("c01 from ", kHost6));
  cr_expect(ask_tcp("", "127.0.0.1", 8081).starts_with("c01 from 10."));
  EXPECT_TEXT(ask_tcp(other.network(), kHost4, 8080, kSilence), "silence");
}

Test(network_rules, a_port_on_one_address_is_open_on_no_other) {
  REQUIRE(kNeeds);
  Lab lab;
  const Container& server = lab.start("web", kA);
  shell("ip addr add 192.0.2.9/24 dev up0");
  lab.serve(server, {"tcp", "127.0.0.1", 8080, 80, {}});
  lab.serve(server, {"tcp", "192.0.2.9", 8081, 80, {}});
  cr_expect(ask_tcp("", "127.0.0.1", 8080).starts_with("c01 from 10."));
  EXPECT_TEXT(ask_tcp("", kHost4, 8080), "refused");
  EXPECT_TEXT(ask_tcp(lab.world(), kHost4, 8080), "refused");
  EXPECT_TEXT(ask_tcp(server.network(), kHost4, 8080), "refused");
  EXPECT_TEXT(ask_tcp(lab.world(), "192.0.2.9", 8081), cat("c01 from ", kWorld4));
  EXPECT_TEXT(ask_tcp(lab.world(), kHost4, 8081), "refused");
  EXPECT_TEXT(ask_tcp("", "127.0.0.1", 8081), "refused");
}

namespace {

void containers_are_apart(Lab& lab) {
  const Container& one = lab.start("web", kA);
  const Container& two = lab.start("web", kB);
  const Container& stranger = lab.start("other", kC);
  EXPECT_TEXT(ask_tcp(one.network(), two.address4, 80), cat("c02 from ", one.address4));
  EXPECT_TEXT(ask_tcp(one.network(), two.address6, 80), cat("c02 from ", one.address6));
  EXPECT_TEXT(ask_tcp(one.network(), kWorld4, 80), cat("world from ", kHost4));
  EXPECT_TEXT(ask_tcp(one.network(), kWorld6, 80), cat("world from ", kHost6));
  EXPECT_TEXT(ask_udp(one.network(), kWorld4, 53), cat("world from ", kHost4));
  EXPECT_TEXT(ask_tcp("", one.address4, 80), cat("c01 from ", text(address4({one.lease.place.subnet, kBridgeSlot}))));
  // The other network, and a world that knows the way.
  shell(cat("ip route add 10.208.0.0/12 via ", kHost4, "; ip -6 route add ", one.address6, " via ", kHost6),
        lab.world());
  const auto from_outside = [&](int milliseconds) {
    return std::array{ask_tcp(stranger.network(), one.address4, 80, milliseconds),
                      ask_tcp(stranger.network(), one.address6, 80, milliseconds),
                      ask_udp(stranger.network(), one.address4, 53, milliseconds),
                      ask_tcp(lab.world(), one.address4, 80, milliseconds),
                      ask_tcp(lab.world(), one.address6, 80, milliseconds),
                      ask_udp(lab.world(), one.address4, 53, milliseconds)};
  };
  for (const std::string& answer : from_outside(kSilence)) EXPECT_TEXT(answer, "silence");
  shell("nft flush ruleset");
  for (const std::string& answer : from_outside(kSoon)) EXPECT_CONTAINS(answer, "c01 from ");
}

}  // namespace

Test(network_rules, a_container_reaches_its_network_and_the_world_and_nothing_reaches_it) {
  REQUIRE(kNeeds);
  Lab lab;
  containers_are_apart(lab);
}

Test(network_rules, a_container_reaches_its_network_and_the_world_and_nothing_reaches_it_without_br_netfilter) {
  REQUIRE(kNeeds);
  Lab lab;
  bridge_without_netfilter();
  containers_are_apart(lab);
}

// --- frames that no kernel would send
// ------------------------------------------------------------------------------------------------

namespace {

template <std::size_t Size>
std::string bytes(const std::array<std::uint8_t, Size>& address) {
  return std::string(address.begin(), address.end());
}
std::string big(unsigned value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
std::string address_of(const std::string& text) {
  std::string address(text.find(':') == std::string::npos ? 4 : 16, '\0');
  cr_assert(1 == ::inet_pton(address.size() == 4 ? AF_INET : AF_INET6, text.c_str(), address.data()));
  return address;
}

// RFC 1071
unsigned checksum(const std::string& data) {
  unsigned sum = 0;
  for (std::size_t at = 0; at < data.size(); ++at)
    sum += static_cast<unsigned>(static_cast<unsigned char>(data[at])) << (at % 2 ? 0 : 8);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

std::string ethernet(const std::string& to, const std::string& from, unsigned type) { return to + from + big(type); }

std::string arp(const std::string& sender, const std::string& address, const std::string& mark) {
  return big(1) + big(0x0800) + "\x06\x04" + big(1) + sender + address + std::string(10, '\0') + mark;
}

std::string udp(unsigned from, unsigned to, const std::string& mark) {
  return big(from) + big(to) + big(static_cast<unsigned>(8 + mark.size())) + big(0) + mark;
}

std::string ip4(const std::string& from, const std::string& to, const std::string& inner) {
  std::string header = std::string("\x45\x00", 2) + big(static_cast<unsigned>(20 + inner.size())) +
                       std::string(4, '\0') + "\x40\x11" + std::string(2, '\0') + from + to;
  header.replace(10, 2, big(checksum(header)));
  return header + inner;
}

std::string ip6(const std::string& from, const std::string& to, int next, std::string inner) {
  if (next == IPPROTO_ICMPV6) {
    const std::string pseudo = from + to + std::string(2, '\0') + big(static_cast<unsigned>(inner.size())) +
                               std::string(3, '\0') + static_cast<char>(next);
    inner.replace(2, 2, big(checksum(pseudo + inner)));
  }
  return std::string("\x60\0\0\0", 4) + big(static_cast<unsigned>(inner.size())) + static_cast<char>(next) + '\xff' +
         from + to + inner;
}

// An ICMPv6 message whose mark is an option that nobody knows: RFC 4861, 4.6
std::string icmp6(int type, const std::string& body, const std::string& mark) {
  return static_cast<char>(type) + std::string(3, '\0') + body + "\xfd\x01" + mark;
}

const std::string kEverybody = "\xff\xff\xff\xff\xff\xff";

}  // namespace

Test(network_rules, a_container_speaks_for_itself_only) {
  REQUIRE(kNeeds);
  Lab lab;
  const Container& one = lab.start("web", kA);
  const Container& victim = lab.start("web", kB);
  const Wire from(one.network(), "eth0"), to(victim.network(), "eth0");
  const std::string own = bytes(hardware_address(kA)), other = bytes(hardware_address(kC)),
                    target = bytes(hardware_address(kB));
  const std::string own4 = address_of(one.address4), other4 = bytes(address4({one.lease.place.subnet, kBridgeSlot})),
                    target4 = address_of(victim.address4);
  const std::string own6 = address_of(one.address6),
                    other6 = bytes(link_local(bridge_hardware(one.lease.place.subnet))),
                    target6 = address_of(victim.address6), local6 = bytes(link_local(hardware_address(kA)));

  struct Frame {
    std::string frame, mark;
    bool passes, by_address;  // by_address: a bridge alone would let it through
  };
  std::vector<Frame> frames;
  const auto add = [&](const std::string& mark, bool passes, bool by_address, const std::string& frame) {
    cr_assert(mark.size() == 6);
    frames.push_back({frame, mark, passes, by_address});
  };
  const std::string arp_head = ethernet(kEverybody, own, 0x0806), head4 = ethernet(target, own, 0x0800),
                    head6 = ethernet(target, own, 0x86dd);
  add("arp-ok", true, true, arp_head + arp(own, own4, "arp-ok"));
  add("arp-ip", false, true, arp_head + arp(own, other4, "arp-ip"));
  add("arp-hw", false, true, arp_head + arp(other, own4, "arp-hw"));
  add("arp-fr", false, false, ethernet(kEverybody, other, 0x0806) + arp(own, own4, "arp-fr"));
  add("ip4-ok", true, true, head4 + ip4(own4, target4, udp(9, 9, "ip4-ok")));
  add("ip4-ip", false, true, head4 + ip4(other4, target4, udp(9, 9, "ip4-ip")));
  add("ip4-hw", false, false, ethernet(target, other, 0x0800) + ip4(own4, target4, udp(9, 9, "ip4-hw")));
  add("dhcpcl", true, true, head4 + ip4(own4, target4, udp(68, 67, "dhcpcl")));
  add("dhcpsv", false, true, head4 + ip4(own4, target4, udp(67, 68, "dhcpsv")));
  add("ip6-ok", true, true, head6 + ip6(own6, target6, IPPROTO_UDP, udp(9, 9, "ip6-ok")));
  add("ip6-lo", true, true, head6 + ip6(local6, target6, IPPROTO_UDP, udp(9, 9, "ip6-lo")));
  add("ip6-ip", false, true, head6 + ip6(other6, target6, IPPROTO_UDP, udp(9, 9, "ip6-ip")));
  add("dhcp6s", false, true, head6 + ip6(own6, target6, IPPROTO_UDP, udp(547, 546, "dhcp6s")));
  add("nsolok", true, true,
      head6 + ip6(own6, target6, IPPROTO_ICMPV6, icmp6(135, std::string(4, '\0') + target6, "nsolok")));
  add("nadvok", true, true,
      head6 + ip6(own6, target6, IPPROTO_ICMPV6, icmp6(136, std::string(4, '\0') + own6, "nadvok")));
  add("nadvlo", true, true,
      head6 + ip6(own6, target6, IPPROTO_ICMPV6, icmp6(136, std::string(4, '\0') + local6, "nadvlo")));
  add("nadvno", false, true,
      head6 + ip6(own6, target6, IPPROTO_ICMPV6, icmp6(136, std::string(4, '\0') + other6, "nadvno")));
  add("r-advt", false, true, head6 + ip6(local6, target6, IPPROTO_ICMPV6, icmp6(134, std::string(12, '\0'), "r-advt")));
  add("redirt", false, true, head6 + ip6(local6, target6, IPPROTO_ICMPV6, icmp6(137, std::string(36, '\0'), "redirt")));
  // Behind a header of options, where a filter that looks at one place only would miss it: RFC 7113
  const std::string options = std::string("\x3a\0\x01\x04\0\0\0\0", 8);
  add("r-adv2", false, true, head6 + ip6(local6, target6, 60, options + icmp6(134, std::string(12, '\0'), "r-adv2")));
  add("v-tagd", false, true,
      ethernet(target, own, 0x8100) + big(5) + big(0x0800) + ip4(own4, target4, udp(9, 9, "v-tagd")));
  add("lldpdu", false, true, ethernet(target, own, 0x88cc) + std::string(60, '\0') + "lldpdu");

  const auto seen = [&](const std::string& last) {
    for (const Frame& frame : frames) from.send(frame.frame);
    from.send(arp_head + arp(own, own4, last));  // what comes after all of them
    std::string before;
    cr_assert(to.see(last, &before), "nothing passes");
    return before;
  };
  const std::string guarded = seen("the end");
  for (const Frame& frame : frames)
    cr_expect(frame.passes == (guarded.find(frame.mark) != std::string::npos), "%s", frame.mark.c_str());
  shell("nft flush ruleset");
  const std::string open = seen("the open end");
  for (const Frame& frame : frames)
    cr_expect(frame.by_address == (open.find(frame.mark) != std::string::npos), "%s without rules", frame.mark.c_str());
}

Test(network_rules, nobody_but_the_host_reaches_127_0_0_1) {
  REQUIRE(kNeeds);
  Lab lab;
  const Container& one = lab.start("web", kA);
  lab.serve(one, {"udp", "127.0.0.1", 5354, 53, {}});
  const std::uint32_t subnet = one.lease.place.subnet;
  const std::string bridge = bytes(bridge_hardware(subnet)), gateway4 = bytes(address4({subnet, kBridgeSlot}));
  const std::string loop4 = address_of("127.0.0.1");

  // Something on the host that listens everywhere, and so on 127.0.0.1 too.
  const UniqueFd listener(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(5353);
  cr_assert(0 == ::bind(listener.get(), reinterpret_cast<sockaddr*>(&any), sizeof any));
  const auto heard_until = [&](const std::string& last) {
    std::string all;
    pollfd ready{listener.get(), POLLIN, 0};
    while (all.find(last) == std::string::npos && ::poll(&ready, 1, kSoon * slowness()) > 0) {
      char text[64];
      all.append(text, static_cast<std::size_t>(std::max<ssize_t>(0, ::recv(listener.get(), text, sizeof text, 0))));
    }
    return all;
  };
  const Wire wire(one.network(), "eth0");
  const std::string head = ethernet(bridge, bytes(hardware_address(kA)), 0x0800), own4 = address_of(one.address4);
  const auto knock = [&](const std::string& last) {
    wire.send(head + ip4(own4, loop4, udp(9, 5353, "(to 127.0.0.1)")));
    wire.send(head + ip4(loop4, gateway4, udp(9, 5353, "(from 127.0.0.1)")));
    wire.send(head + ip4(own4, gateway4, udp(9, 5353, last)));
    return heard_until(last);
  };
  EXPECT_TEXT(knock("(end)"), "(end)");

  // From the world, by the host's own hardware address, to a port that is published there.
  const Wire world(lab.world(), "eth0");
  const std::string up0 = shell("ip -o link show up0 | sed 's/.*ether //'");
  std::string hardware(6, '\0');
  for (std::size_t at = 0; at < 6; ++at)
    hardware[at] = static_cast<char>(std::stoi(up0.substr(3 * at, 2), nullptr, 16));
  lab.serve(one, {"udp", "", 5355, 53, {}});
  const auto from_world = [&](const std::string& last) {
    const std::string to_host = ethernet(hardware, "\x02world", 0x0800), world4 = address_of(kWorld4);
    world.send(to_host + ip4(world4, loop4, udp(9, 5354, "(by 127.0.0.1)")));
    world.send(to_host + ip4(world4, address_of(kHost4), udp(9, 5355, last)));
    std::string before;
    cr_assert(wire.see(last, &before));
    return before.find("(by 127.0.0.1)") != std::string::npos;
  };
  cr_expect(from_world("(one end)") == false);
  shell("nft flush chain inet convox raw");
  cr_expect(from_world("(other end)"), "nothing but the rules of chain raw prevents it");
  shell("nft flush ruleset");
  EXPECT_TEXT(knock("(end)"), "(to 127.0.0.1)(end)");
}

// --- change
// -----------------------------------------------------------------------------------------------------------

Test(network_rules, after_flush_ruleset_the_next_container_repairs_everything) {
  REQUIRE(kNeeds);
  Lab lab;
  lab.serve(lab.start("web", kA), kWeb);
  lab.serve(lab.start("other", kB), {"tcp", "", 9090, 80, {}});
  shell("nft flush ruleset");
  EXPECT_TEXT(ask_tcp(lab.world(), kHost4, 8080), "refused");
  lab.start("third", kC);
  cr_expect(ask_tcp(lab.world(), kHost4, 8080).starts_with("c01"));
  cr_expect(ask_tcp(lab.world(), kHost6, 9090).starts_with("c02"));
  const std::string repaired = sorted_lines(ruleset());
  expect_ok(net::rebuild(lab.store()));
  EXPECT_TEXT(sorted_lines(ruleset()), repaired);
  // One table alone.
  for (const char* flush : {"delete table inet convox", "delete table bridge convox"}) {
    shell(cat("nft ", flush));
    lab.admit(lab.start("third", cat("0b000000000", flush[13]), false));
    cr_expect(ask_tcp(lab.world(), kHost4, 8080).starts_with("c01"));
  }
}

Test(network_rules, rules_that_were_saved_before_a_boot_are_not_built_on) {
  REQUIRE(kNeeds);
  Lab lab;
  const Container& one = lab.start("web", kA);
  const std::string whole = ruleset();
  shell(
      "nft flush ruleset; nft 'table inet convox { comment \"convox: do not edit; rules 1, boot 0\"; chain forward { "
      "type "
      "filter hook forward priority 0; policy drop; }; chain tcp.1 { }; }; table bridge convox { }'");
  lab.admit(one);
  EXPECT_TEXT(ruleset(), whole);
}

Test(network_rules, what_is_not_ours_stays_as_it_is) {
  REQUIRE(kNeeds);
  Lab lab;
  // As Docker, ufw and firewalld have them: iptables-nft makes the first two of `iptables -P FORWARD DROP`.
  shell(
      "nft 'table ip filter { chain FORWARD { type filter hook forward priority filter; policy drop; counter; }; "
      "chain INPUT { type filter hook input priority filter; policy accept; }; chain DOCKER { }; }; "
      "table ip6 filter { chain FORWARD { type filter hook forward priority filter; policy drop; jump UFW; }; "
      "chain UFW { return; }; }; "
      "table inet firewalld { chain filter_FORWARD { type filter hook forward priority filter + 10; policy accept; "
      "ct state established,related accept; reject with icmpx admin-prohibited; }; }; "
      "table inet mine { chain forward { type filter hook forward priority 5; policy accept; }; }; "
      "table bridge convoy { set a { type ifname; elements = { \"cx\" }; }; }'");
  const auto foreign = [] {
    std::string rules;
    for (const char* table : {"ip filter", "ip6 filter", "inet firewalld", "inet mine", "bridge convoy"})
      rules += shell(cat("nft list table ", table, " | sed 's/counter packets [0-9]* bytes [0-9]*/counter/'"));
    return rules;
  };
  const auto without_ours = [](std::string_view rules) {
    std::string rest;
    while (!rules.empty())
      if (const std::string_view line = cut(rules, '\n'); !line.ends_with("comment \"convox\""))
        rest += cat(line, "\n");
    return rest;
  };
  const std::string before = foreign();
  const Container& one = lab.start("web", kA);
  const Container& two = lab.start("web", kB);
  const Container& stranger = lab.start("other", kC);
  lab.serve(one, kWeb);
  const std::string with = foreign();
  EXPECT_TEXT(without_ours(with), before);
  EXPECT_CONTAINS(with,
                  "policy drop;\n\t\tiifname \"cx-*\" accept comment \"convox\"\n\t\toifname \"cx-*\" accept comment "
                  "\"convox\"\n\t\tcounter\n");
  EXPECT_CONTAINS(with, "comment \"convox\"\n\t\tct state established,related accept\n");

  // Such a policy does not cut us off, and opens nothing.
  EXPECT_TEXT(ask_tcp(lab.world(), kHost4, 8080), cat("c01 from ", kWorld4));
  EXPECT_TEXT(ask_tcp(lab.world(), kHost6, 8080), cat("c01 from ", kWorld6));
  EXPECT_TEXT(ask_tcp(one.network(), kWorld4, 80), cat("world from ", kHost4));
  EXPECT_TEXT(ask_tcp(one.network(), kWorld6, 80), cat("world from ", kHost6));
  EXPECT_TEXT(ask_tcp(one.network(), two.address4, 80), cat("c02 from ", one.address4));
  EXPECT_TEXT(ask_tcp(stranger.network(), two.address4, 80, kSilence), "silence");

  // Made anew with their chain, once and not twice, and gone with the last network.
  shell("nft flush chain ip filter FORWARD; nft add rule ip filter FORWARD counter");
  EXPECT_TEXT(ask_tcp(lab.world(), kHost4, 8080, kSilence), "silence");
  lab.admit(one);
  lab.admit(one);
  EXPECT_TEXT(foreign(), with);
  for (const Container* container : {&one, &two, &stranger}) {
    lab.dismiss(*container);
    lab.release(container->id);
  }
  expect_ok(net::forget(lab.store(), "web"));
  EXPECT_TEXT(foreign(), with);
  EXPECT_CONTAINS(ruleset(), "cx-other");
  cr_assert(lab.store().remove("web").has_value());
  expect_ok(net::forget(lab.store(), "other"));
  EXPECT_TEXT(foreign(), before);
  cr_expect(ruleset().find(" convox ") == std::string::npos);
  expect_ok(net::forget(lab.store(), "other"));
}

Test(network_rules, without_our_rules_such_a_policy_would_cut_us_off) {
  REQUIRE(kNeeds);
  Lab lab;
  lab.serve(lab.start("web", kA), kWeb);
  shell("nft 'table ip filter { chain FORWARD { type filter hook forward priority filter; policy drop; }; }'");
  EXPECT_TEXT(ask_tcp(lab.world(), kHost4, 8080, kSilence), "silence");
  lab.start("web", kB);  // the next one that comes repairs it for all
  EXPECT_TEXT(ask_tcp(lab.world(), kHost4, 8080), cat("c01 from ", kWorld4));
}

Test(network_rules, to_dismiss_twice_is_to_dismiss_once) {
  REQUIRE(kNeeds);
  become_a_host();
  Leases leases;
  const Lease stays = leases.lease("web", kA);
  leases.publish(kA, stays, kWeb);
  expect_ok(net::admit(leases.store(), stays, kA));
  const std::string before = ruleset();
  const Lease goes = leases.lease("web", kB);
  leases.publish(kB, goes, kWeb);
  leases.publish(kB, goes, {"udp", "127.0.0.1", 53, 53, {}}, "names");
  expect_ok(net::admit(leases.store(), goes, kB));
  cr_expect(ruleset() != before);
  for (int time = 0; time < 3; ++time) {
    expect_ok(net::dismiss(leases.store(), goes, kB));
    EXPECT_TEXT(ruleset(), before);
  }
  // Without any table there is nothing to do, and nothing is done.
  shell("nft flush ruleset");
  expect_ok(net::dismiss(leases.store(), goes, kB));
  EXPECT_TEXT(shell("nft list ruleset"), "");
}

Test(network_rules, a_thousand_containers_are_made_anew_in_one_batch) {
  REQUIRE(kNeeds);
  become_a_host();
  Leases leases;
  constexpr int kContainers = 1000, kOwnPorts = 50;
  for (int number = 0; number < kContainers; ++number) {
    const std::string id = cat("0a00000", 10000 + number);
    const Lease lease = leases.lease("web", id);
    leases.publish(id, lease, kWeb);
    if (number < kOwnPorts)
      leases.publish(id, lease, {"tcp", "", static_cast<std::uint16_t>(20000 + number), 80, {"10.0.0.0/8"}}, id);
  }
  expect_ok(net::rebuild(leases.store()));
  const std::string rules = ruleset();
  EXPECT_CONTAINS(rules, "numgen inc mod 1000");
  EXPECT_CONTAINS(rules, "999 : ");
  EXPECT_CONTAINS(rules, "chain tcp.20049 {");
  std::size_t senders = 0;
  for (std::size_t at = 0; (at = rules.find("\"cx0a00000", at)) != std::string::npos; ++at) ++senders;
  cr_expect(senders == 3 * kContainers, "%zu", senders);
}

Test(network_rules, of_two_who_change_rules_at_once_neither_loses_anything) {
  REQUIRE(kNeeds);
  become_a_host();
  Leases leases;
  constexpr int kEach = 20;
  std::vector<std::pair<std::string, Lease>> all;
  for (int number = 0; number < 2 * kEach; ++number) {
    const std::string id = cat("0a00000", 10000 + number);
    all.emplace_back(id, leases.lease(number % 3 ? "web" : "other", id));
  }
  const auto change = [&](int first) {
    return [&, first]() -> std::string {
      for (int number = first; number < 2 * kEach; number += 2) {
        const auto& [id, lease] = all[static_cast<std::size_t>(number)];
        const Published port{"tcp", "", static_cast<std::uint16_t>(lease.network == "web" ? 8080 : 9090), 80, {}};
        const auto done = leases.store().publish(id, "s", lease, {port});
        if (!done) return done.error().text;
        for (auto* deed : {net::admit, net::dismiss, net::admit})
          if (const auto did = deed(leases.store(), lease, id); !did) return did.error().text;
        // Somebody else's rules change all the time too, and from the dismissal on the port has to be published anew.
        if (number % 4 < 2) {
          shell(cat("nft add table inet t", number));
          if (const auto again = leases.store().publish(id, "s", lease, {port}); !again) return again.error().text;
          if (const auto did = net::admit(leases.store(), lease, id); !did) return did.error().text;
        }
      }
      return {};
    };
  };
  std::string one;
  const std::string two = inside({}, [&] {
    one = inside({}, [&] { return std::string(); });
    const pid_t child = ::fork();
    if (child == 0) {
      const std::string why = change(0)();
      ::dprintf(2, "%s\n", why.c_str());
      ::_exit(why.empty() ? 0 : 1);
    }
    const std::string said = change(1)();
    int status = 0;
    ::waitpid(child, &status, 0);
    return status == 0 ? said : cat(said, " the other failed");
  });
  EXPECT_TEXT(two, "");
  const std::string rules = sorted_lines(ruleset());
  EXPECT_CONTAINS(rules, "numgen inc mod");
  expect_ok(net::rebuild(leases.store()));
  EXPECT_TEXT(rules, sorted_lines(ruleset()));
}

Test(network_rules, a_host_without_ipv6_has_rules_for_ipv4) {
  REQUIRE(kNeeds);
  become_a_host();
  shell("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
  Leases leases;
  const Lease lease = leases.lease("web", kA);
  leases.publish(kA, lease, kWeb);
  expect_ok(net::admit(leases.store(), lease, kA));
  const std::string rules = shell("nft list ruleset");
  EXPECT_CONTAINS(rules, cat("dnat ip to ", text(address4(lease.place)), ":80"));
  cr_expect(rules.find("dnat ip6") == std::string::npos);
  cr_expect(rules.find("fe80") == std::string::npos);
  const auto world = shell("nft list table bridge convox");
  EXPECT_CONTAINS(world, text(address4(lease.place)));
}

Test(network_rules, a_kernel_without_nf_tables_is_an_error_that_says_what_to_do) {
  REQUIRE(kNeeds);
  become_a_host();
  Leases leases;
  const Lease lease = leases.lease("web", kA);
  const std::string said = inside({}, [&]() -> std::string {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    const int added = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPROTONOSUPPORT), SCMP_SYS(socket), 2,
                                       SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_EQ, NETLINK_NETFILTER));
    if (added != 0 || seccomp_load(filter) != 0) return "no filter";
    const auto admitted = net::admit(leases.store(), lease, kA);
    return admitted ? "admitted" : admitted.error().text;
  });
  EXPECT_TEXT(
      said,
      "this kernel has no nf_tables, and without a firewall no container gets a network (--network none or host "
      "needs none): socket NETLINK_NETFILTER: Protocol not supported (EPROTONOSUPPORT)");
}
