// convox proxy: connections to a port of the host arrive inside, whatever network the process has.
#include <signal.h>

#include "tests/support/detached.h"

using namespace convox::test;
using convox::cat;

namespace {

constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces | PrivateNamespaces;

// A process without any network, in which a web server says hello on port 80 and whoever calls port 90 is told how
// many bytes it sent.
class Served : public App {
 public:
  Served()
      : id(detached(*this, {"web",
                            "mkdir -p /tmp/w; echo hello >/tmp/w/index.html; nc -ll -p 90 -e wc -c & "
                            "exec httpd -f -p 80 -h /tmp/w"})) {
    cr_assert(comes_true([&] { return convox({"exec", id, "wget -q -O - http://127.0.0.1/"}).status == 0; }));
  }
  ~Served() { convox({"ps", "rm", "--force", id}); }

  Ran get(int port) {
    return run(
        {"/bin/busybox", "timeout", "5", "/bin/busybox", "wget", "-q", "-O", "-", cat("http://127.0.0.1:", port)});
  }

  const std::string id;
};

}  // namespace

Test(proxy, leads_to_what_listens_inside_by_id_and_by_service) {
  REQUIRE(kNeeds);
  Served app;
  Program proxy = app.start_convox({"proxy", cat("18080:", app.id, ":80"), "18081:web:80"});
  cr_assert(proxy.expect(cat("proxying localhost:18080 to ", app.id, ":80\nproxying localhost:18081 to web:80\n")));
  for (const int port : {18080, 18081}) {
    EXPECT_TEXT(app.get(port).out, "hello\n");
    cr_expect(proxy.expect(cat("connect: ", port, "\n")));
  }
  proxy.signal(SIGINT);
  EXPECT_STATUS(proxy.wait(), 0);
}

Test(proxy, passes_all_bytes_and_the_end_of_one_direction_on) {
  REQUIRE(kNeeds);
  Served app;
  Program proxy = app.start_convox({"proxy", "18090:web:90"});
  cr_assert(proxy.expect("proxying localhost:18090 to web:90\n"));
  const Ran counted =
      app.run({"/bin/sh", "-c", "head -c 3000000 /dev/zero | timeout 10 /bin/busybox nc 127.0.0.1 18090"});
  EXPECT_TEXT(counted.out, "3000000\n");
  proxy.signal(SIGTERM);
  EXPECT_STATUS(proxy.wait(), 0);
}

Test(proxy, says_which_connection_failed_and_goes_on) {
  REQUIRE(kNeeds);
  Served app;
  Program proxy = app.start_convox({"proxy", "18080:web:81", "18081:web:80"});
  cr_assert(proxy.expect("proxying localhost:18081 to web:80\n"));
  cr_expect(app.get(18080).status != 0);
  EXPECT_TEXT(app.get(18081).out, "hello\n");
  EXPECT_STATUS(app.convox({"ps", "rm", "--force", app.id}), 0);
  cr_expect(app.get(18081).status != 0);
  proxy.signal(SIGINT);
  const Ran ran = proxy.wait();
  EXPECT_STATUS(ran, 0);
  EXPECT_CONTAINS(ran.err, "ERROR: connecting to web:81: Connection refused (ECONNREFUSED)\n");
  EXPECT_CONTAINS(ran.err, "ERROR: connecting to web:80: ");
}

Test(proxy, refuses_what_is_no_port_no_process_or_taken) {
  REQUIRE(kNeeds);
  Served app;
  for (const char* nonsense : {"web", "web:", "web:0", "web:65536", ":80", "x:web:80", "1:2:3:4"}) {
    const Ran ran = app.convox({"proxy", nonsense});
    EXPECT_STATUS(ran, 1);
    EXPECT_CONTAINS(ran.err, cat("ERROR: \"", nonsense, "\": "));
  }
  EXPECT_STATUS(app.convox({"proxy", "nobody:80"}), 1);
  Program first = app.start_convox({"proxy", "18080:web:80"});
  cr_assert(first.expect("proxying"));
  const Ran second = app.convox({"proxy", "18080:web:80"});
  EXPECT_STATUS(second, 1);
  EXPECT_TEXT(second.err, "ERROR: listening on 127.0.0.1:18080: bind: Address already in use (EADDRINUSE)\n");
  first.signal(SIGINT);
  EXPECT_STATUS(first.wait(), 0);
}
