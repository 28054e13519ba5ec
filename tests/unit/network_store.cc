#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "runtime/base/words.h"
#include "runtime/networks/names.h"
#include "runtime/networks/store.h"
#include "tests/unit/expect.h"
#include "tests/unit/temporary_directory.h"

using namespace convox;
using namespace convox::networks;

namespace {

constexpr Address6 kPrefix{0xfd, 0x12, 0x34, 0x56, 0x78, 0x9a};

template <class Value>
Value got(Result<Value> result, std::source_location at = std::source_location::current()) {
  cr_assert(result.has_value(), "line %u: %s", at.line(), result ? "" : result.error().text.c_str());
  return *std::move(result);
}

template <class Value>
std::string error_of(const Result<Value>& result) {
  return result ? "it worked" : result.error().text;
}

// RUN, with directories of containers as containers.h makes them.
class Machine {
 public:
  Machine() : store(got(Store::open(run_.path()))) {}

  int directory(const std::string& id) {
    containers_.push_back(got(fs::make_and_open_directory(run_.fd(), id, 0700)));
    return containers_.back().get();
  }
  Lease join(const std::string& id, const std::string& network = "shop", std::vector<std::string> names = {"web"}) {
    return got(store.lease(directory(id), id, ensure(network), names, kPrefix));
  }
  Network ensure(const std::string& name) {
    return got(store.ensure(name, [](std::uint32_t) { return true; }));
  }
  [[nodiscard]] std::string hosts(const std::string& network = "shop") const {
    const UniqueFd file = got(store.hosts_file(network));
    return got(fs::read_all(file.get(), "hosts", 1 << 20));
  }
  // Rows that are no comments, without what fills them up.
  [[nodiscard]] std::string known(const std::string& network = "shop") const {
    std::string rows;
    const std::string all = hosts(network);
    for (std::string_view rest = all; !rest.empty();) {
      std::string_view row = cut(rest, '\n');
      row = row.substr(0, row.find_last_not_of(' ') + 1);
      if (!row.starts_with('#')) rows += cat(row, "\n");
    }
    return rows;
  }
  [[nodiscard]] const std::string& path() const { return run_.path(); }
  [[nodiscard]] int fd() const { return run_.fd(); }

 private:
  TemporaryDirectory run_;
  std::vector<UniqueFd> containers_;

 public:
  Store store;
};

constexpr std::string_view kLocal = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
const std::string kOne = "000000000001", kTwo = "000000000002";

}  // namespace

Test(network_store, a_network_keeps_its_subnet_and_two_never_share_one) {
  Machine machine;
  const Network shop = machine.ensure("shop");
  cr_assert(shop.subnet == first_subnet("shop"));
  cr_assert(machine.ensure("shop").subnet == shop.subnet);
  // Whoever has the same first choice gets the next one.
  std::string rival;
  for (int i = 0; rival.empty(); ++i)
    if (first_subnet(cat("app", i)) == shop.subnet) rival = cat("app", i);
  cr_assert(machine.ensure(rival).subnet == (shop.subnet + 1) % kSubnets);
  cr_assert(got(machine.store.list()).size() == 2);
}

Test(network_store, a_subnet_that_the_host_has_a_route_to_is_passed_over) {
  Machine machine;
  const std::uint32_t first = first_subnet("shop");
  const Network shop = got(machine.store.ensure("shop", [&](std::uint32_t subnet) { return subnet != first; }));
  cr_assert(shop.subnet == (first + 1) % kSubnets);
  expect_text(error_of(machine.store.ensure("blog", [](std::uint32_t) { return false; })),
              "every subnet of 10.208.0.0/12 has a network, or a route of this host leads there");
}

Test(network_store, names_that_would_leave_its_directory_are_refused) {
  Machine machine;
  for (const char* name : {"", ".", "..", "a/b"}) cr_assert(not machine.store.find(name).has_value(), "\"%s\"", name);
}

Test(network_store, a_lease_is_noted_with_the_container_and_given_back_once) {
  Machine machine;
  const int directory = machine.directory(kOne);
  const Lease lease = machine.join(kOne);
  cr_assert(lease.place.slot == first_slot(kOne) && lease.place.subnet == first_subnet("shop"));
  const auto noted = got(machine.store.leased(directory, kOne));
  cr_assert(noted && noted->network == "shop" && noted->place.slot == lease.place.slot);
  const auto members = got(machine.store.members("shop"));
  cr_assert(members.size() == 1 && members[0].id == kOne && members[0].slot == lease.place.slot);
  for (int time = 0; time < 2; ++time) got(machine.store.release(directory, kOne));
  cr_assert(not got(machine.store.leased(directory, kOne)));
  cr_assert(got(machine.store.members("shop")).empty());
  expect_text(machine.known(), kLocal);
}

// It had noted the slot, and somebody else was faster: what that one has is not to be given back.
Test(network_store, a_killed_commands_note_gives_nobody_elses_slot_back) {
  Machine machine;
  const Lease theirs = machine.join(kOne);
  const int directory = machine.directory(kTwo);
  cr_assert(sys::symlinkat(cat("shop/", theirs.place.slot).c_str(), directory, "net") == 0);
  cr_assert(not got(machine.store.leased(directory, kTwo)));
  got(machine.store.release(directory, kTwo));
  cr_assert(got(machine.store.members("shop")).size() == 1);
  cr_assert(machine.known().find(kOne) != std::string::npos);
  // And the one who was killed is launched anew.
  got(machine.store.lease(directory, kTwo, machine.ensure("shop"), {}, kPrefix));
  cr_assert(got(machine.store.members("shop")).size() == 2);
}

Test(network_store, a_network_has_1021_addresses_and_says_when_they_are_gone) {
  Machine machine;
  const Network shop = machine.ensure("shop");
  std::set<std::uint32_t> slots;
  const int directory = machine.directory(kOne);
  for (int i = 0; i < 1021; ++i) {
    const std::string id = cat(100000000000 + i);
    slots.insert(got(machine.store.lease(directory, id, shop, {}, kPrefix)).place.slot);
  }
  cr_assert(slots.size() == 1021 && *slots.begin() == kFirstSlot && *slots.rbegin() == kLastSlot);
  expect_text(error_of(machine.store.lease(directory, kTwo, shop, {}, kPrefix)),
              "network shop has no free address: 1021 containers are in it");
}

Test(network_store, two_commands_at_once_never_get_the_same_address_or_row) {
  Machine machine;
  const Network shop = machine.ensure("shop");
  const auto take = [&](int from) {
    for (int i = from; i < from + 100; ++i) {
      const std::string id = cat(200000000000 + i);
      const auto own = fs::make_and_open_directory(machine.fd(), id, 0700);
      if (!own || !machine.store.lease(own->get(), id, shop, {"web"}, kPrefix)) ::_exit(1);
      if (i % 2 && !machine.store.release(own->get(), id)) ::_exit(2);
    }
  };
  const int child = ::fork();
  take(child ? 0 : 1000);
  if (child == 0) ::_exit(0);
  int status = -1;
  cr_assert(::waitpid(child, &status, 0) == child && status == 0);
  const auto members = got(machine.store.members("shop"));
  cr_assert(members.size() == 100);
  const std::string known = machine.known();
  cr_assert(std::ranges::count(known, '\n') == 2 + 200);
  for (const Member& member : members) cr_assert(known.find(cat(" ", member.id, " web\n")) != std::string::npos);
}

Test(network_store, a_network_goes_when_nobody_is_in_it_and_comes_again) {
  Machine machine;
  const int directory = machine.directory(kOne);
  const Network before = machine.ensure("shop");
  got(machine.store.lease(directory, kOne, before, {}, kPrefix));
  cr_assert(not got(machine.store.remove("shop")));
  got(machine.store.release(directory, kOne));
  cr_assert(got(machine.store.remove("shop")) && got(machine.store.remove("shop")));
  cr_assert(not got(machine.store.find("shop")) && got(machine.store.list()).empty());
  // Whoever had asked for it before that is told so, and asks again.
  const auto late = machine.store.lease(directory, kOne, before, {}, kPrefix);
  cr_assert(not late && late.error().code == ENOENT);
  machine.join(kTwo);
}

Test(network_store, half_of_a_network_is_made_anew) {
  Machine machine;
  machine.ensure("shop");
  cr_assert(sys::unlinkat(machine.fd(), "net/n/shop/slots", AT_REMOVEDIR) == 0);  // killed while it was removed
  cr_assert(not got(machine.store.find("shop")));
  machine.join(kOne);
  cr_assert(got(machine.store.members("shop")).size() == 1);
  machine.ensure("blog");
  cr_assert(sys::unlinkat(machine.fd(), "net/n/blog/slots", AT_REMOVEDIR) == 0);
  got(machine.store.sweep());
  cr_assert(not fs::open_beneath(machine.fd(), "net/n/blog", O_PATH).has_value() && got(machine.store.find("shop")));
}

Test(network_store, others_find_it_by_id_service_and_app_over_both_protocols) {
  Machine machine;
  const Lease one = machine.join(kOne, "shop", {"web", "web.shop"});
  const Lease two = machine.join(kTwo, "shop", {"web", "web.shop"});
  std::string expected(kLocal);
  for (const auto& [id, lease] : {std::pair(kOne, one), std::pair(kTwo, two)})
    expected += cat(text(address4(lease.place)), " ", id, " web web.shop\n", text(address6(kPrefix, lease.place)), " ",
                    id, " web web.shop\n");
  expect_text(machine.known(), expected);
  expect_text(got(fs::read(machine.fd(), "net/n/shop/hosts", 1 << 20)), machine.hosts());
}

Test(network_store, on_a_host_without_ipv6_there_are_ipv4_names_only) {
  Machine machine;
  const Lease lease = got(machine.store.lease(machine.directory(kOne), kOne, machine.ensure("shop"), {"web"}, {}));
  expect_text(machine.known(), cat(kLocal, text(address4(lease.place)), " ", kOne, " web\n"));
}

// What a reader gets may be of two moments, but each row of one.
Test(network_store, rows_are_of_one_size_and_change_by_their_first_byte) {
  Machine machine;
  const int directory = machine.directory(kOne);
  machine.join(kTwo);
  machine.join(kOne);
  const std::string before = machine.hosts();
  cr_assert(before.size() == 3 * kNameRecord);
  for (std::size_t at = kNameRow - 1; at < before.size(); at += kNameRow) cr_assert(before[at] == '\n');
  got(machine.store.release(directory, kOne));
  const std::string after = machine.hosts();
  cr_assert(after.size() == before.size());
  for (std::size_t at = 0; at < after.size(); ++at)
    cr_assert(after[at] == before[at] || (after[at] == '#' && at % kNameRow == 0));
  machine.join("000000000003");  // it gets the free rows
  cr_assert(machine.hosts().size() == before.size());
}

Test(network_store, the_longest_names_fit_a_row_and_longer_ones_are_refused) {
  Machine machine;
  const std::string service(63, 's'), app(63, 'a');
  machine.join(kOne, app, {service, cat(service, ".", app)});
  cr_assert(machine.known(app).find(cat(service, ".", app, "\n")) != std::string::npos);
  const int directory = machine.directory(kTwo);
  const Network network = machine.ensure(app);
  cr_assert(error_of(machine.store.lease(directory, kTwo, network, {std::string(256, 'x')}, kPrefix))
                .starts_with("names longer than a row"));
  expect_text(error_of(machine.store.lease(directory, kTwo, network, {"a\n1.2.3.4 b"}, kPrefix)),
              "not a host name: a\n1.2.3.4 b");
}

Test(network_store, a_service_that_is_called_localhost_is_not_taken_for_it) {
  Machine machine;
  machine.join(kOne, "shop", {"localhost", "localhost.shop"});
  cr_assert(machine.known().find(cat(kOne, " localhost.shop\n")) != std::string::npos);
}

// --- ports
// ------------------------------------------------------------------------------------------------------------

namespace {

// A socket of this host, which is where unit tests run, on a port that the kernel chose.
struct Listener {
  UniqueFd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::uint16_t port = 0;
  Listener() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    socklen_t size = sizeof address;
    cr_assert(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0 &&
              ::listen(socket.get(), 1) == 0 &&
              ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = ntohs(address.sin_port);
  }
};

std::uint16_t free_port() { return Listener().port; }

}  // namespace

Test(network_store, processes_of_a_service_share_a_port_and_the_last_one_takes_it_along) {
  Machine machine;
  const Published port{"tcp", "", free_port(), 3000, {"10.0.0.0/8"}};
  const int one = machine.directory(kOne), two = machine.directory(kTwo);
  const Lease first = machine.join(kOne), second = machine.join(kTwo);
  got(machine.store.publish(kOne, "web", first, {port}));
  got(machine.store.publish(kTwo, "web", second, {port}));
  auto ports = got(machine.store.ports());
  cr_assert(ports.size() == 1 && ports[0].published == port && ports[0].servers.size() == 2);
  expect_text(ports[0].owner, "shop/web");
  cr_assert(ports[0].servers[0].place.slot < ports[0].servers[1].place.slot);
  got(machine.store.release(one, kOne));
  ports = got(machine.store.ports());
  cr_assert(ports.size() == 1 && ports[0].servers.size() == 1);
  cr_assert(ports[0].servers[0].place.slot == second.place.slot);
  got(machine.store.release(two, kTwo));
  cr_assert(got(machine.store.ports()).empty());
  cr_assert(not fs::open_beneath(machine.fd(), cat("net/ports/", port_name(port)), O_PATH).has_value());
}

Test(network_store, a_port_of_another_service_is_taken_on_every_address_that_both_have) {
  Machine machine;
  const std::uint16_t number = free_port();
  const Lease lease = machine.join(kOne), other = machine.join(kTwo);
  got(machine.store.publish(kOne, "web", lease, {{"tcp", "127.0.0.1", number, 80, {}}}));
  expect_text(error_of(machine.store.publish(kTwo, "api", other, {{"tcp", "", number, 80, {}}})),
              cat("port taken: ", number, "/tcp by shop/web"));
  expect_text(error_of(machine.store.publish(kTwo, "api", other, {{"tcp", "127.0.0.1", number, 80, {}}})),
              cat("port taken: 127.0.0.1:", number, "/tcp by shop/web"));
  expect_text(error_of(machine.store.publish(kTwo, "web", other, {{"tcp", "127.0.0.1", number, 81, {}}})),
              cat("port taken: 127.0.0.1:", number, "/tcp leads to port 80 of shop/web already"));
  got(machine.store.publish(kTwo, "api", other, {{"udp", "", number, 80, {}}}));
  expect_text(error_of(machine.store.publish(kTwo, "api", other, {{"tcp", "192.0.2.1", number, 80, {}}})),
              cat("publishing 192.0.2.1:", number, "/tcp: this host has no such address"));
}

Test(network_store, ports_are_claimed_all_or_none) {
  Machine machine;
  const Listener program;
  const Lease lease = machine.join(kOne);
  const std::vector<Published> wanted = {{"tcp", "", free_port(), 80, {}}, {"tcp", "", program.port, 80, {}}};
  expect_text(error_of(machine.store.publish(kOne, "web", lease, wanted)),
              cat("port taken: ", program.port, "/tcp by a program of this host"));
  cr_assert(got(machine.store.ports()).empty());
}

Test(network_store, a_port_that_was_half_published_is_free) {
  Machine machine;
  const std::uint16_t number = free_port();
  const std::string path = cat("net/ports/tcp.", number);
  const Lease lease = machine.join(kOne);
  cr_assert(sys::mkdirat(machine.fd(), "net/ports", 0700) == 0 && sys::mkdirat(machine.fd(), path.c_str(), 0700) == 0);
  cr_assert(sys::symlinkat("80", machine.fd(), cat(path, "/to").c_str()) == 0);
  cr_assert(got(machine.store.ports()).empty());
  got(machine.store.publish(kOne, "web", lease, {{"tcp", "", number, 80, {}}}));
  expect_text(got(machine.store.ports())[0].owner, "shop/web");
}

Test(network_store, half_of_a_port_goes_with_the_next_container_that_goes) {
  Machine machine;
  const int directory = machine.directory(kOne);
  const Lease lease = machine.join(kOne);
  const Published port{"tcp", "", free_port(), 80, {}};
  got(machine.store.publish(kOne, "web", lease, {port}));
  const std::string path = cat("net/ports/", port_name(port));
  // Whoever removed it was killed: before the first, and after the last of its links.
  for (const std::string& link : {std::string("owner"), kOne, std::string("to")})
    cr_assert(sys::unlinkat(machine.fd(), cat(path, "/", link).c_str(), 0) == 0);
  cr_assert(got(machine.store.ports()).empty());
  got(machine.store.release(directory, kOne));
  cr_assert(not fs::open_beneath(machine.fd(), path, O_PATH).has_value());
}

Test(network_store, who_may_come_from_outside_is_what_the_last_one_said) {
  Machine machine;
  const std::uint16_t number = free_port();
  const Lease one = machine.join(kOne), two = machine.join(kTwo);
  got(machine.store.publish(kOne, "web", one, {{"tcp", "", number, 80, {"10.0.0.0/8"}}}));
  got(machine.store.publish(kTwo, "web", two, {{"tcp", "", number, 80, {}}}));
  cr_assert(got(machine.store.ports())[0].published.allow.empty());
}
