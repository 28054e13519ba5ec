// What a user writes of ports, and what convox.yml does.
#include "cli/publish_flags.h"

#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::cli;
using networks::Published;

namespace {

std::string refused(std::string_view text) {
  const auto port = parse_published(text);
  return port ? "accepted" : port.error().text;
}

Published accepted(std::string_view text) {
  const auto port = parse_published(text);
  cr_assert(port.has_value(), "%s", port ? "" : port.error().text.c_str());
  return *port;
}

}  // namespace

Test(publish_flags, name_an_address_a_port_of_the_host_and_one_of_the_container) {
  cr_assert((accepted("8080:80") == Published{"tcp", "", 8080, 80, {}}));
  cr_assert((accepted("127.0.0.1:8080:80/tcp") == Published{"tcp", "127.0.0.1", 8080, 80, {}}));
  cr_assert((accepted("0.0.0.0:53:5353/udp") == Published{"udp", "", 53, 5353, {}}));
}

Test(publish_flags, that_mean_nothing_are_refused) {
  expect_text(refused(""), "expected [IP:]HOST:CONTAINER[/udp]");
  expect_text(refused("8080"), "expected [IP:]HOST:CONTAINER[/udp]");
  expect_text(refused("0:80"), "\"0\" is no port, which is from 1 to 65535");
  expect_text(refused("80:65536"), "\"65536\" is no port, which is from 1 to 65535");
  expect_text(refused("80:http"), "\"http\" is no port, which is from 1 to 65535");
  expect_text(refused(":80"), "\"\" is no port, which is from 1 to 65535");
  expect_text(refused("80:80/sctp"), "\"sctp\": tcp or udp");
  expect_text(refused("[::1]:80:80"), "\"[::1]\" is no IPv4 address");
  expect_text(refused("host:80:80"), "\"host\" is no IPv4 address");
}

Test(publish_flags, of_all_ports_are_those_of_the_service_and_of_its_balancers) {
  app::Manifest manifest;
  app::Service web;
  web.name = "web";
  web.ports = {{5000, "tcp"}, {5001, "udp"}};
  web.whitelist = {"10.0.0.0/8"};
  app::Balancer front{"front", "web", {{443, 3000, "TCP"}, {5000, 3001, "TCP"}}, {"192.0.2.0/24"}};
  app::Balancer other{"other", "api", {{80, 80, "TCP"}}, {}};
  manifest.balancers = {front, other};
  const auto ports = ports_of(manifest, web);
  cr_assert(ports.has_value() && ports->size() == 3);
  cr_assert(((*ports)[0] == Published{"udp", "", 5001, 5001, {"10.0.0.0/8"}}));
  cr_assert(((*ports)[1] == Published{"tcp", "", 443, 3000, {"192.0.2.0/24"}}));
  cr_assert(((*ports)[2] == Published{"tcp", "", 5000, 3001, {"192.0.2.0/24"}}));
  web.whitelist = {"everybody"};
  cr_assert(not ports_of(manifest, web).has_value());
}
