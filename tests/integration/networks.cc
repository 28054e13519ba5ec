// What a user sees of networks: names that resolve, ports that open, apps that are apart, and nothing left behind.
//
// Each test is a process of its own (Criterion forks) and goes into a network namespace of its own, which plays the
// host: convox and all that it starts work there.
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "tests/support/app.h"
#include "tests/support/detached.h"
#include "tests/support/network_lab.h"

using namespace convox::test;
using convox::cat;

namespace {

constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces | PrivateNamespaces;

// An app with `web` and `api`, run with convox's own default network, on a host of its own.
class NetworkApp : public Sandbox {
 public:
  explicit NetworkApp(std::string_view more = "") {
    become_a_host();
    network.clear();
    write_layout(app() + "/image", testbox_image());
    write("convox.yml", cat("services:\n  web:\n    image: oci:image\n    command: sleep 60\n", more,
                            "  api:\n    image: oci:image\n    command: sleep 60\n"));
    EXPECT_STATUS(convox({"run", "--publish", "8080:80", "web", "true"}), 0);
    remember();  // the app's network stays until somebody removes it
  }
  ~NetworkApp() {
    for (const std::string& id : started_) convox({"ps", "rm", "--force", id});
  }

  std::string detach(std::vector<std::string> words) {
    words.insert(words.begin(), {"run", "--detach", "--id"});
    const Ran ran = convox(std::move(words));
    EXPECT_STATUS(ran, 0);
    started_.push_back(ran.out);
    return ran.out;
  }
  // A web server that answers with `says`, on port 80 inside; it listens when this returns.
  std::string serve(const std::string& says, std::vector<std::string> flags = {}, const std::string& service = "web") {
    flags.insert(flags.end(),
                 {service, cat("mkdir -p /tmp/w; echo ", says, " >/tmp/w/index.html; exec httpd -f -p 80 -h /tmp/w")});
    std::string id = detach(std::move(flags));
    cr_expect(comes_true([&] { return this->convox({"exec", id, "wget -q -O - http://127.0.0.1/"}).status == 0; }));
    return id;
  }
  // What a port of the host answers, to the host; nothing if nobody does.
  std::string asked(int port) {
    return run({"/bin/busybox", "timeout", "5", "/bin/busybox", "wget", "-q", "-O", "-",
                cat("http://127.0.0.1:", port)})
        .out;
  }
  Ran in(const std::string& service, const std::string& words) { return convox({"run", service, words}); }

  [[nodiscard]] bool has_lease(const std::string& id) const {
    return read_file(state() + "/net/n/app/hosts").find(cat(" ", id, " ")) != std::string::npos && !link_of(id).empty();
  }
  // Of the host's end; "" if there is none.
  [[nodiscard]] static std::string link_of(const std::string& id) {
    for (const std::string& link : network_links())
      if (link.ends_with(cat(" cx", id))) return link;
    return {};
  }

 private:
  std::vector<std::string> started_;
};

// The row of a network in `convox networks`, its columns one space apart.
std::string row(const Ran& listed, const std::string& name) {
  for (const std::string& line : lines_with(listed.out, name + " ")) {
    std::string plain;
    for (const char c : cat(name, " ", line))
      if (c != ' ' || !plain.ends_with(' ')) plain += c;
    return plain;
  }
  return {};
}

std::string ids_in(const std::string& json) {
  std::string ids;
  for (std::size_t at = json.find("\"id\": \""); at != std::string::npos; at = json.find("\"id\": \"", at + 1))
    ids += json.substr(at + 7, 12);
  return ids;
}

std::string member(const std::string& json, const std::string& key) {
  const std::size_t at = json.find(cat("\"", key, "\": \""));
  if (at == std::string::npos) return {};
  const std::size_t begin = at + key.size() + 5;
  return json.substr(begin, json.find('"', begin) - begin);
}

}  // namespace

Test(networks, are_what_a_container_has_by_default) {
  REQUIRE(kNeeds);
  NetworkApp app;
  const Ran ran = app.in("web", "ls /sys/class/net; ip -4 route; cat /sys/class/net/lo/flags");
  EXPECT_STATUS(ran, 0);
  EXPECT_CONTAINS(ran.out, "eth0\nlo\n");
  EXPECT_CONTAINS(ran.out, "default via 10.2");
  EXPECT_CONTAINS(ran.out, "0x9\n");
  EXPECT_NOTHING_LEFT(app);
  EXPECT_TEXT(app.convox({"run", "--network", "none", "web", "ls /sys/class/net"}).out, "lo\n");
  EXPECT_CONTAINS(app.convox({"run", "--network", "host", "web", "ls /sys/class/net"}).out, "cx-app\n");
  EXPECT_STATUS(app.convox({"run", "--userns", "host", "web", "ip link show eth0"}), 0);
  EXPECT_NOTHING_LEFT(app);
}

Test(networks, give_a_process_the_names_of_its_app_over_both_protocols) {
  REQUIRE(kNeeds);
  NetworkApp app;
  const std::string id = app.serve("hello");
  for (const std::string& name : {std::string("web"), std::string("web.app"), id}) {
    EXPECT_TEXT(app.in("api", cat("wget -q -O - http://", name, "/")).out, "hello\n");
    const Ran rows = app.in("api", cat("grep -w ", name, " /etc/hosts"));
    cr_expect(lines_with(rows.out, "10.2").size() == 1 && lines_with(rows.out, "fd").size() == 1, "%s",
              rows.out.c_str());
  }
  const std::string six = member(app.convox({"inspect", id}).out, "address6");
  EXPECT_TEXT(app.in("api", cat("wget -q -O - 'http://[", six, "]/'")).out, "hello\n");
  // It is there for those who were there before it, and gone with it.
  Program waiting = app.start_convox(
      {"run", "api", "n() { read line; grep -v '^#' /etc/hosts | grep -c -w web; }; n; n"}, {.keep_input_open = true});
  app.detach({"web", "sleep 1000"});
  waiting.type("\n");
  cr_expect(waiting.expect("4\n"));
  EXPECT_STATUS(app.convox({"ps", "rm", "--force", id}), 0);
  waiting.type("\n");
  cr_expect(waiting.expect("2\n"));
  waiting.close_input();
  waiting.wait();
  cr_expect(app.in("api", "echo 1.2.3.4 web >>/etc/hosts").status != 0);  // it is every container's
}

Test(networks, of_two_apps_are_apart) {
  REQUIRE(kNeeds);
  NetworkApp app;
  const std::string id = app.serve("hello");
  const std::string json = app.convox({"inspect", id}).out;
  const std::string four = member(json, "address"), six = member(json, "address6");
  for (const std::string& address : {four, cat("[", six, "]")})
    EXPECT_TEXT(app.in("api", cat("timeout 5 wget -q -O - 'http://", address, "/'")).out, "hello\n");
  const auto other = [&](const std::string& words) { return app.convox({"run", "--app", "other", "web", words}); };
  EXPECT_STATUS(other("true"), 0);
  for (const std::string& address : {four, cat("[", six, "]")})
    cr_expect(other(cat("timeout 1 wget -q -O - 'http://", address, "/'")).status != 0, "%s", address.c_str());
  cr_expect(other("grep -w web.app /etc/hosts").status != 0);
}

Test(networks, lead_a_published_port_to_every_process_of_a_service) {
  REQUIRE(kNeeds);
  NetworkApp app;
  const std::string one = app.serve("one", {"--publish", "8080:80"});
  const auto answers = [&] {
    std::set<std::string> seen;
    for (int i = 0; i < 40; ++i) seen.insert(app.asked(8080));
    std::string text;
    for (const std::string& answer : seen) text += answer;
    return text;
  };
  EXPECT_TEXT(answers(), "one\n");
  const std::string two = app.serve("two", {"-p", "8080:80"});
  EXPECT_TEXT(answers(), "one\ntwo\n");
  EXPECT_STATUS(app.convox({"ps", "rm", "--force", one}), 0);
  EXPECT_TEXT(answers(), "two\n");
  EXPECT_CONTAINS(app.convox({"networks", "inspect", "app"}).out, "\"host\": 8080");
  // From the container itself, by the address of its gateway, which is the host's.
  EXPECT_TEXT(
      app.convox({"exec", two,
                  "timeout 5 wget -q -O - http://$(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p'):8080/"})
          .out,
      "two\n");
  EXPECT_STATUS(app.convox({"ps", "rm", "--force", two}), 0);
  EXPECT_TEXT(answers(), "");
  cr_expect(app.convox({"networks", "inspect", "app"}).out.find("8080") == std::string::npos);
}

Test(networks, refuse_a_port_that_is_taken_and_leave_nothing) {
  REQUIRE(kNeeds);
  NetworkApp app;
  app.serve("hello", {"--publish", "127.0.0.1:8080:80"});
  app.remember();
  const Ran taken = app.convox({"run", "--publish", "8080:80", "api", "true"});
  EXPECT_STATUS(taken, 125);
  EXPECT_CONTAINS(taken.err, "port taken: 8080/tcp by app/web\n");
  const Ran by_the_host = app.convox({"run", "--publish", "192.0.2.7:80:80", "api", "true"});
  EXPECT_CONTAINS(by_the_host.err, "publishing 192.0.2.7:80/tcp: this host has no such address\n");
  Program program = app.start({"/bin/busybox", "nc", "-l", "-p", "9090"}, {.keep_input_open = true});
  cr_expect(comes_true([&] {
    return cat(read_file("/proc/net/tcp"), read_file("/proc/net/tcp6")).find(":2382 ") != std::string::npos;
  }));
  const Ran by_a_program = app.convox({"run", "--publish", "9090:80", "api", "true"});
  EXPECT_STATUS(by_a_program, 125);
  EXPECT_CONTAINS(by_a_program.err, "port taken: 9090/tcp by a program of this host\n");
  program.signal(SIGTERM);
  program.wait();
  EXPECT_NOTHING_LEFT(app);
}

Test(networks, publish_what_the_manifest_says) {
  REQUIRE(kNeeds);
  NetworkApp app("    ports:\n      - 80\n    whitelist: 10.0.0.0/8\n");
  const std::string id = app.serve("hello", {"--publish-all"});
  EXPECT_TEXT(app.asked(80), "hello\n");
  EXPECT_CONTAINS(app.convox({"networks", "inspect", "app"}).out, "\"10.0.0.0/8\"");
}

Test(networks, are_listed_inspected_and_removed_when_nobody_is_in_them) {
  REQUIRE(kNeeds);
  NetworkApp app;
  const std::string id = app.detach({"web", "sleep 1000"});
  const std::string listed = row(app.convox({"networks"}), "app");
  cr_expect(listed.starts_with("app 10.2") && listed.ends_with(" cx-app 1"), "%s", listed.c_str());
  const std::string json = app.convox({"networks", "inspect", "app"}).out;
  EXPECT_TEXT(ids_in(json), id);
  EXPECT_TEXT(member(json, "address"), member(app.convox({"inspect", id}).out, "address"));
  const Ran refused = app.convox({"networks", "rm", "app"});
  EXPECT_STATUS(refused, 1);
  EXPECT_CONTAINS(refused.err, cat("network app has processes: ", id));
  EXPECT_TEXT(app.convox({"networks", "gc"}).out, "Removed 0 networks\n");
  EXPECT_STATUS(app.convox({"ps", "rm", "--force", id}), 0);
  EXPECT_TEXT(app.convox({"networks", "gc"}).out, "Removed 1 network\n");
  EXPECT_TEXT(row(app.convox({"networks"}), "app"), "");
  cr_expect(network_links().size() == 1, "more than lo");
  EXPECT_CONTAINS(app.convox({"networks", "rm", "app"}).err, "no such network: app");
  EXPECT_STATUS(app.in("web", "true"), 0);  // it comes again
  EXPECT_STATUS(app.convox({"apps", "delete", "app"}), 0);
  cr_expect(network_links().size() == 1, "more than lo");
}

// The minder acts: no other command comes. Its process ends last of all, so its end is what to wait for.
Test(networks, lose_a_detached_container_when_it_ends_by_itself) {
  REQUIRE(kNeeds);
  NetworkApp app;
  const std::string id = app.detach({"--publish", "8080:80", "web", "cat /tmp/gate; mkfifo /tmp/gate; cat /tmp/gate"});
  cr_expect(app.has_lease(id));
  const std::string text = read_file(app.state() + "/c/" + id + "/state.json");
  const long minder = number(text, "minder"), payload = number(text, "pid");
  cr_assert(minder > 0 && payload > 0, "%s", text.c_str());
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, minder, 0));
  kill(static_cast<pid_t>(payload), SIGKILL);
  pollfd end{pidfd, POLLIN, 0};
  cr_expect(poll(&end, 1, 20'000) == 1);
  close(pidfd);
  cr_expect(NetworkApp::link_of(id).empty());
  cr_expect(app.in("api", cat("grep -v '^#' /etc/hosts | grep ", id)).status != 0);
  cr_expect(access((app.state() + "/net/ports/tcp.8080").c_str(), F_OK) != 0);
}

Test(networks, lose_what_a_killed_convox_had_there_with_the_next_command) {
  REQUIRE(kNeeds);
  NetworkApp app;
  Program killed =
      app.start_convox({"run", "--publish", "8080:80", "web", "echo up; exec sleep 1000"}, {.keep_input_open = true});
  cr_expect(killed.expect("up\n"));
  killed.signal(SIGKILL);
  killed.wait();
  EXPECT_CONTAINS(app.leftovers(), "/net/ports/tcp.8080");
  cr_expect(comes_true([&] { return app.leftovers().find("+ process") == std::string::npos; }));
  EXPECT_STATUS(app.in("api", "true"), 0);
  EXPECT_NOTHING_LEFT(app);
}

Test(networks, have_an_address_for_each_of_twenty_that_start_at_once) {
  REQUIRE(kNeeds);
  NetworkApp app;
  std::vector<Program> all;
  for (int i = 0; i < 20; ++i)
    all.push_back(app.start_convox({"run", "web", "ip -4 addr show eth0 | grep inet; read line"},
                                   {.keep_input_open = true, .limit = std::chrono::seconds(50)}));
  for (Program& one : all) cr_expect(one.expect("scope global"));
  std::set<std::string> addresses;
  for (Program& one : all) one.close_input();
  for (Program& one : all) addresses.insert(one.wait().out);
  cr_expect(addresses.size() == 20);
  EXPECT_NOTHING_LEFT(app);
}

Test(networks, that_are_full_say_so) {
  REQUIRE(kNeeds);
  NetworkApp app;
  const std::string slots = app.state() + "/net/n/app/slots/";
  for (int slot = 2; slot <= 1022; ++slot) cr_assert(symlink("0123456789ab", cat(slots, slot).c_str()) == 0);
  app.remember();
  const Ran ran = app.in("web", "true");
  EXPECT_STATUS(ran, 125);
  EXPECT_CONTAINS(ran.err, "network app has no free address: 1021 containers are in it\n");
  EXPECT_NOTHING_LEFT(app);
}

Test(networks, pass_over_a_subnet_that_the_host_has_a_route_to) {
  REQUIRE(kNeeds);
  NetworkApp app;
  const auto subnet = [&] {
    const std::string listed = row(app.convox({"networks"}), "app");
    return listed.substr(4, listed.find(' ', 4) - 4);
  };
  const std::string before = subnet();
  EXPECT_STATUS(app.convox({"networks", "rm", "app"}), 0);
  shell(
      cat("ip link add there type veth peer name here && ip link set here up && ip link set there up && ip route add ",
          before, " dev there"));
  EXPECT_STATUS(app.in("web", "true"), 0);
  cr_expect(subnet().starts_with("10.2") && subnet() != before, "%s", subnet().c_str());
}

Test(networks, are_asked_for_in_words_that_mean_something) {
  REQUIRE(kNeeds);
  NetworkApp app;
  const std::pair<std::vector<std::string>, const char*> nonsense[] = {
      {{"--network", "moon"}, "--network \"moon\": bridge, none or host"},
      {{"--network", "none", "--publish", "80:80"}, "--publish needs --network bridge, not none"},
      {{"--network", "host", "--publish-all"}, "--publish needs --network bridge, not host"},
      {{"--publish", "80"}, "--publish \"80\": expected [IP:]HOST:CONTAINER[/udp]"},
      {{"--publish", "80:80/sctp"}, "--publish \"80:80/sctp\": \"sctp\": tcp or udp"},
  };
  for (const auto& [flags, words] : nonsense) {
    std::vector<std::string> line = {"run"};
    line.insert(line.end(), flags.begin(), flags.end());
    line.insert(line.end(), {"web", "true"});
    const Ran ran = app.convox(line);
    EXPECT_STATUS(ran, 125);
    EXPECT_TEXT(ran.err, cat("ERROR: ", words, "\n"));
  }
}

// A container in a network is started again with an address of its own, and the port leads there.
Test(networks, take_back_a_container_that_is_started_again) {
  REQUIRE(kNeeds);
  NetworkApp app;
  const std::string id =
      app.detach({"--restart", "always", "--publish", "8080:80", "web",
                  "mkdir -p /tmp/w; echo $HOSTNAME >/tmp/w/index.html; exec httpd -f -p 80 -h /tmp/w"});
  const auto answer = [&] { return app.asked(8080); };
  cr_expect(comes_true([&] { return answer() == id + "\n"; }));
  const long payload = number(read_file(app.state() + "/c/" + id + "/state.json"), "pid");
  kill(static_cast<pid_t>(payload), SIGKILL);
  cr_expect(comes_true([&] {
    const std::string text = read_file(app.state() + "/c/" + id + "/state.json");
    return number(text, "restarts") == 1 && number(text, "pid") != payload && answer() == id + "\n";
  }));
  cr_expect(app.has_lease(id));
}
