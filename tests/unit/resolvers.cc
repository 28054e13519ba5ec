// A resolver that only the host can reach is no use in a container.
#include "runtime/resolvers.h"

#include "tests/unit/expect.h"

using namespace convox::runtime;

Test(resolvers, of_the_host_are_taken_as_they_are_if_others_can_reach_them) {
  constexpr std::string_view host = "# made by hand\nsearch example.com\nnameserver 192.0.2.53\noptions ndots:2\n";
  expect_text(reachable_resolvers(host, ""), host);
}

Test(resolvers, that_only_the_host_reaches_are_left_out) {
  expect_text(reachable_resolvers("nameserver 127.0.0.53\nnameserver ::1\n\tnameserver\t192.0.2.53\n"
                                  "nameserver fe80::1%eth0\nnameserver 0.0.0.0\n",
                                  "nameserver 198.51.100.1\n"),
              "\tnameserver\t192.0.2.53\n");
}

Test(resolvers, behind_systemd_are_asked_where_the_host_asks_systemd) {
  expect_text(reachable_resolvers("nameserver 127.0.0.53\noptions edns0\n", "nameserver 198.51.100.1\nsearch lan\n"),
              "nameserver 198.51.100.1\nsearch lan\n");
}

Test(resolvers, are_public_ones_where_the_host_has_none_for_others) {
  expect_text(reachable_resolvers("search lan\nnameserver 127.0.0.1", "nameserver 127.0.0.1\n"),
              "search lan\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n");
  expect_text(reachable_resolvers("", ""), "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
}
