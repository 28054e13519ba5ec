// Does a command in a container behave as it would without one: status, input, output, words, signals?
#include <signal.h>

#include "tests/support/app.h"

using namespace convox::test;

namespace {
constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;

std::vector<std::string> run_web(std::vector<std::string> words) {
  words.insert(words.begin(), {"run", "web"});
  return words;
}
}  // namespace

Test(run, gives_the_status_of_the_command) {
  REQUIRE(kNeeds);
  App app;
  EXPECT_TEXT(app.convox({"run", "web", "true"}).err, "");
  const struct {
    std::vector<std::string> words;
    int status;
  } cases[] = {
      {{"testbox", "exit", "0"}, 0},
      {{"testbox", "exit", "7"}, 7},
      {{"testbox", "exit", "255"}, 255},
      {{"testbox", "crash"}, 128 + SIGSEGV},  // of PID 1 itself
      {{"testbox kill-self 9; exit $?"}, 128 + SIGKILL},
      {{"no-such-command"}, 127},
      {{"/no/such/command"}, 127},
      {{"/app/bin/not-executable"}, 126},
      {{"/app"}, 126},
      {{"/app/README/x"}, 127},
  };
  for (const auto& [words, status] : cases) {
    const Ran ran = app.convox(run_web(words));
    EXPECT_STATUS(ran, status);
    EXPECT_TEXT(ran.out, "");
  }
  EXPECT_CONTAINS(app.convox({"run", "web", "no-such-command"}).err,
                  "no-such-command along PATH: not found in the container");
  EXPECT_NOTHING_LEFT(app);
}

Test(run, its_own_failures_are_125_and_one_line_on_standard_error) {
  REQUIRE(kNeeds);
  App app;
  const struct {
    std::vector<std::string> words;
    std::string says;
  } cases[] = {
      {{"run", "nobody", "true"}, "nobody"},
      {{"run", "--user", "nobody-there", "web", "true"}, "no user or group \"nobody-there\" in the image"},
      {{"run", "--user", "root:no-group", "web", "true"}, "no user or group \"root:no-group\" in the image"},
      {{"run", "--user", "4294967296", "web", "true"}, "\"4294967296\" is no user"},
      {{"run", "--user", "0:", "web", "true"}, "\"0:\" is no user"},
      {{"run", "--workdir", "relative", "web", "true"}, "--workdir \"relative\" is not an absolute path"},
      {{"run", "--workdir", "/app/README", "web", "true"}, "/app/README"},
      {{"run", "--network", "moon", "web", "true"}, "--network \"moon\": bridge, none or host"},
      {{"run", "--userns", "mine", "web", "true"}, "--userns \"mine\""},
      {{"run", "--cap-add", "NONSENSE", "web", "true"}, "NONSENSE"},
      {{"run", "--pids-limit", "0", "web", "true"}, "--pids-limit must be larger than 0"},
      {{"run", "--memory", "lots", "web", "true"}, "\"lots\" is not a size"},
      {{"run", "--timeout", "soon", "web", "true"}, "--timeout"},
      {{"run", "--env", "=x", "web", "true"}, "--env \"=x\" has no name"},
      {{"run", "--volume", "/no/such/place:/v", "web", "true"}, "/no/such/place"},
      {{"run", "--volume", "/etc:/proc/sys", "web", "true"}, "a volume cannot be mounted at /proc/sys"},
      {{"run", "--volume", "nonsense", "web", "true"}, "expected HOST_OR_NAME:PATH[:ro]"},
      {{"run", "--release", "RNONE", "web", "true"}, "RNONE"},
  };
  for (const auto& [words, says] : cases) {
    const Ran ran = app.convox(words);
    EXPECT_STATUS(ran, 125);
    EXPECT_TEXT(ran.out, "");
    EXPECT_CONTAINS(ran.err, says);
    cr_expect(ran.err.starts_with("ERROR: ") && ran.err.find('\n') == ran.err.size() - 1, "%s", ran.err.c_str());
  }
  EXPECT_NOTHING_LEFT(app);
}

Test(run, passes_input_and_output_through_unchanged) {
  REQUIRE(kNeeds);
  App app;
  std::string bytes;
  for (int at = 0; at < 1'000'000; ++at) bytes += static_cast<char>(at * 7 + at / 256);
  const Ran copy = app.convox({"run", "web", "testbox", "cat"}, {.input = bytes});
  cr_expect(copy.out == bytes, "%zu bytes came back of %zu", copy.out.size(), bytes.size());
  EXPECT_TEXT(copy.err, "");
  EXPECT_STATUS(copy, 0);
  const std::string odd("\0\x1b[31m\xff\x03\x04", 9);
  EXPECT_TEXT(app.convox({"run", "web", "testbox", "cat"}, {.input = odd}).out, odd);
  const Ran both = app.convox({"run", "web", "testbox", "both-outputs", "to stdout", "to stderr"});
  EXPECT_TEXT(both.out, "to stdout");
  EXPECT_TEXT(both.err, "to stderr");
  EXPECT_NOTHING_LEFT(app);
}

Test(run, ends_its_input_when_the_callers_ends) {
  REQUIRE(kNeeds);
  App app;
  Program copy = app.start_convox({"run", "web", "testbox", "cat"}, {.keep_input_open = true});
  copy.type("first\n");
  cr_expect(copy.expect("first\n"));
  copy.close_input();
  EXPECT_STATUS(copy.wait(), 0);
  const std::string convox = Sandbox::build() + "/convox";
  EXPECT_STATUS(app.run({"/bin/sh", "-c", "exec \"$0\" run web testbox cat </dev/null", convox}), 0);
  EXPECT_STATUS(app.run({"/bin/sh", "-c", "exec \"$0\" run web testbox cat <&-", convox}), 0);
  // A command that does not read leaves the input alone and ends.
  EXPECT_STATUS(app.convox({"run", "web", "true"}, {.input = std::string(1 << 20, 'x')}), 0);
}

Test(run, takes_words_as_they_are) {
  REQUIRE(kNeeds);
  App app;
  const std::string echo = "echo-args";
  const struct {
    std::vector<std::string> words;
    std::string out;
  } cases[] = {
      {{"run", "web", "testbox", echo, "a b", "", "c'd\"e", "$HOME", "*"}, "a b\n\nc'd\"e\n$HOME\n*\n"},
      {{"run", "web", "testbox", echo, "-la", "--bogus"}, "-la\n--bogus\n"},
      {{"run", "web", "--", "testbox", echo, "--user", "app"}, "--user\napp\n"},
      {{"run", "web", "testbox", echo, "x", "--user", "app"}, "x\n"},
      {{"run", "web", "echo one | tr o 0; echo two"}, "0ne\ntwo\n"},
      {{"run", "web", "bin/task", "x y"}, "task x y\n"},
      {{"run", "web", "echo $0 $#"}, "/bin/sh 0\n"},
  };
  for (const auto& [words, out] : cases) {
    const Ran ran = app.convox(words);
    EXPECT_TEXT(ran.out, out);
    EXPECT_STATUS(ran, 0);
  }
  EXPECT_CONTAINS(app.convox({"run", "web", "ls", "-la"}).out, "README");
  EXPECT_CONTAINS(app.convox({"run", "web", "--", "ls", "-la"}).out, " ..\n");
  EXPECT_STATUS(app.convox({"run", "web", "testbox", echo, "x", "--user", "nobody-there"}), 125);
}

Test(run, gives_an_image_without_a_shell_the_words) {
  REQUIRE(kNeeds);
  const Image image = {.layers = {{.entries = {file("testbox", read_file(Sandbox::build() + "/tests/testbox"), 0755)}}},
                       .config = R"({"Env":["PATH=/"]})"};
  App app(image);
  const Ran ran = app.convox({"run", "web", "testbox echo-args 'a b' c\\ d"});
  EXPECT_TEXT(ran.out, "a b\nc d\n");
  EXPECT_STATUS(ran, 0);
  EXPECT_NOTHING_LEFT(app);
}

Test(run, puts_the_entrypoint_in_front) {
  REQUIRE(kNeeds);
  App app(testbox_image_with({}, R"({"Entrypoint":["/bin/testbox","echo-args","entry"],"Cmd":["not","used"]})"));
  EXPECT_TEXT(app.convox({"run", "web", "x", "y"}).out, "entry\nx\ny\n");
  EXPECT_TEXT(app.convox({"run", "web", "x y"}).out, "entry\n/bin/sh\n-c\nx y\n");
  EXPECT_TEXT(app.convox({"run", "--entrypoint=false", "web", "/bin/echo", "z"}).out, "z\n");
}

Test(run, sets_the_environment_in_order) {
  REQUIRE(kNeeds);
  App app(testbox_image_with({}, R"({"Env":["PATH=/usr/bin:/bin","A=image","B=image","C=image","HOME=/i"]})"),
          "    environment:\n      - B=manifest\n      - C=manifest\n    port: 3000\n");
  const Ran ran = app.convox({"run", "--env", "C=flag", "--env", "CALLER", "--env", "UNSET", "--env", "EMPTY=", "--env",
                              "ODD=a=b c", "web", "env"},
                             {.environment = {"CALLER=from the caller", "SECRET=of the caller"}});
  for (const char* line : {"A=image", "B=manifest", "C=flag", "CALLER=from the caller", "EMPTY=", "ODD=a=b c",
                           "PATH=/usr/bin:/bin", "HOME=/i", "APP=app", "SERVICE=web", "PORT=3000", "container=convox"})
    EXPECT_CONTAINS("\n" + ran.out, convox::cat("\n", line, "\n"));
  for (const char* absent : {"SECRET", "UNSET", "CONVOX_ROOT", "CONVOX_RUN", "LANG"})
    cr_expect(ran.out.find(absent) == std::string::npos, "%s is in\n%s", absent, ran.out.c_str());
}

Test(run, names_the_machine_and_the_home) {
  REQUIRE(kNeeds);
  App app;
  const Ran ran =
      app.convox({"run", "web", "echo $HOSTNAME; hostname; cat /etc/hostname; echo $HOME; echo $container"});
  const std::string id = ran.out.substr(0, 12);
  EXPECT_TEXT(ran.out, convox::cat(id, "\n", id, "\n", id, "\n/root\nconvox\n"));
  EXPECT_TEXT(app.convox({"run", "--user", "app", "web", "echo $HOME"}).out, "/home/app\n");
  EXPECT_TEXT(app.convox({"run", "--user", "12345", "web", "echo $HOME"}).out, "/\n");
  EXPECT_TEXT(app.convox({"run", "--env", "HOME=/h", "web", "echo $HOME"}).out, "/h\n");
}

Test(run, starts_in_the_directory_that_was_asked_for) {
  REQUIRE(kNeeds);
  App app;
  EXPECT_TEXT(app.convox({"run", "web", "pwd"}).out, "/app\n");
  EXPECT_TEXT(app.convox({"run", "--workdir", "/tmp", "web", "pwd"}).out, "/tmp\n");
  EXPECT_TEXT(app.convox({"run", "--workdir", "/made/for/it", "web", "pwd"}).out, "/made/for/it\n");
  EXPECT_TEXT(app.convox({"run", "--user", "app", "--workdir", "/root/", "web", "pwd"}).out, "/root\n");
  EXPECT_NOTHING_LEFT(app);
}

Test(run, becomes_the_user_that_was_asked_for) {
  REQUIRE(kNeeds);
  App app;
  const struct {
    const char *user, *says;
  } cases[] = {
      {"root", "0:0:0"},
      {"0", "0:0:0"},
      {"app", "1000:1000:1000 50"},
      {"1000", "1000:1000:1000 50"},
      {"app:tty", "1000:5:5"},
      {"app:77", "1000:77:77"},
      {"4321", "4321:0:0"},
      {"4321:app", "4321:1000:1000"},
      {"65535:65535", "65535:65535:65535"},
  };
  for (const auto& [user, says] : cases)
    EXPECT_TEXT(app.convox({"run", "--user", user, "web", "echo $(id -u):$(id -g):$(id -G)"}).out,
                convox::cat(says, "\n"));
  // Its input and output are its own, to be opened again.
  EXPECT_TEXT(app.convox({"run", "--user", "app", "web", "echo again >/dev/stdout; echo err >/dev/stderr"}).out,
              "again\n");
  // 70000 has no host id behind it.
  EXPECT_STATUS(app.convox({"run", "--user", "70000", "web", "true"}), 125);
  EXPECT_NOTHING_LEFT(app);
}

Test(run, refuses_root_where_the_app_forbids_it) {
  REQUIRE(kNeeds);
  App app(testbox_image(), "    securityContext:\n      runAsNonRoot: true\n");
  const Ran ran = app.convox({"run", "web", "true"});
  EXPECT_STATUS(ran, 125);
  EXPECT_CONTAINS(ran.err, "runAsNonRoot is set and the user is root");
  EXPECT_STATUS(app.convox({"run", "--user", "app", "web", "true"}), 0);
}

Test(run, stops_after_its_timeout) {
  REQUIRE(kNeeds);
  App app;
  const Ran ran = app.convox({"run", "--timeout", "1", "web", "sleep", "60"});
  EXPECT_STATUS(ran, 124);
  EXPECT_TEXT(ran.err, "ERROR: web was stopped: it ran longer than --timeout\n");
  EXPECT_STATUS(app.convox({"run", "--timeout", "60", "web", "testbox", "exit", "3"}), 3);
  EXPECT_NOTHING_LEFT(app);
}

Test(run, passes_signals_on_to_a_command_that_has_handlers) {
  REQUIRE(kNeeds);
  App app;
  for (const auto& [number, word] : {std::pair{SIGUSR1, "SIGUSR1"}, {SIGINT, "SIGINT"}, {SIGHUP, "SIGHUP"}}) {
    Program told = app.start_convox({"run", "web", "testbox", "tell-signals"}, {.keep_input_open = true});
    cr_expect(told.expect("ready\n"));
    told.signal(number);
    cr_expect(told.expect(word), "%s did not arrive", word);
    told.signal(SIGTERM);
    const Ran ran = told.wait();
    EXPECT_STATUS(ran, 128 + SIGTERM);
    EXPECT_CONTAINS(ran.out, "SIGTERM\n");
  }
  EXPECT_NOTHING_LEFT(app);
}

// PID 1 without a handler never gets the signal: to wait for it would be to wait for nothing.
Test(run, a_signal_ends_a_command_without_handlers_at_once) {
  REQUIRE(kNeeds);
  App app;
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    // No shell in front of it: that one has handlers until it executes the command.
    Program reading = app.start_convox({"run", "web", "testbox", "cat"}, {.keep_input_open = true});
    reading.type("up\n");
    cr_expect(reading.expect("up\n"));
    reading.signal(number);
    EXPECT_STATUS(reading.wait(), 128 + number);
  }
  EXPECT_NOTHING_LEFT(app);
}

Test(run, kills_a_command_that_does_not_stop_in_its_grace) {
  REQUIRE(kNeeds);
  App app(testbox_image(), "    termination:\n      grace: 1\n");
  Program stubborn = app.start_convox({"run", "web", "trap 'echo no' TERM; echo up; while :; do sleep 0.1; done"},
                                      {.keep_input_open = true});
  cr_expect(stubborn.expect("up\n"));
  stubborn.signal(SIGTERM);
  cr_expect(stubborn.expect("no\n"));
  EXPECT_STATUS(stubborn.wait(), 128 + SIGTERM);
  EXPECT_NOTHING_LEFT(app);
}

Test(run, ends_when_nobody_reads_its_output) {
  REQUIRE(kNeeds);
  App app;
  const Ran ran = app.run({"/bin/sh", "-c", "{ \"$0\" run --network none web yes; echo status=$? >&2; } | head -n 1",
                           Sandbox::build() + "/convox"});
  EXPECT_TEXT(ran.out, "y\n");
  EXPECT_CONTAINS(ran.err, "status=");
  EXPECT_NOTHING_LEFT(app);
}

Test(run, does_not_wait_for_what_the_command_leaves_behind) {
  REQUIRE(kNeeds);
  App app;
  EXPECT_STATUS(app.convox({"run", "web", "testbox", "leave-orphan", "1000"}), 0);
  EXPECT_NOTHING_LEFT(app);
}

Test(run, as_init_reaps_orphans_and_forwards_signals) {
  REQUIRE(kNeeds);
  App app(testbox_image(), "    init: true\n");
  EXPECT_STATUS(app.convox({"run", "web", "testbox", "exit", "7"}), 7);
  EXPECT_STATUS(app.convox({"run", "web", "testbox", "kill-self", "15"}), 128 + SIGTERM);
  EXPECT_STATUS(app.convox({"run", "web", "testbox", "kill-self", "9"}), 128 + SIGKILL);
  const Ran orphan = app.convox(
      {"run", "web", "(sleep 0.1 & echo); sleep 0.5; for p in /proc/[0-9]*; do cat $p/stat; done | grep -c ' Z '"});
  EXPECT_TEXT(orphan.out, "\n0\n");
  Program told = app.start_convox({"run", "web", "testbox", "tell-signals"}, {.keep_input_open = true});
  cr_expect(told.expect("ready\n"));
  told.signal(SIGUSR2);
  cr_expect(told.expect("SIGUSR2\n"));
  told.signal(SIGTERM);
  EXPECT_STATUS(told.wait(), 128 + SIGTERM);
  EXPECT_TEXT(app.convox({"run", "web", "testbox", "cat"}, {.input = "through init"}).out, "through init");
  EXPECT_NOTHING_LEFT(app);
}

Test(run, keeps_what_it_is_told_to_keep) {
  REQUIRE(kNeeds);
  App app;
  EXPECT_STATUS(app.convox({"run", "--keep", "web", "echo text >/kept; exit 5"}), 5);
  EXPECT_CONTAINS(app.leftovers(), "/upper/kept");
  EXPECT_CONTAINS(app.leftovers(), "/state.json");
  EXPECT_STATUS(app.convox({"run", "web", "true"}), 0);  // which reaps, but not this
  EXPECT_CONTAINS(app.leftovers(), "/upper/kept");
  EXPECT_TEXT(app.convox({"gc"}).out, "Removed 0 containers, 0 layers and 0 temporaries\n");
  EXPECT_TEXT(app.convox({"gc", "--kept"}).out, "Removed 1 containers, 0 layers and 0 temporaries\n");
  EXPECT_NOTHING_LEFT(app);
}

Test(run, forgets_what_it_wrote) {
  REQUIRE(kNeeds);
  App app;
  EXPECT_STATUS(app.convox({"run", "web", "rm -r /app/bin; echo x >/app/README; touch /new"}), 0);
  EXPECT_TEXT(app.convox({"run", "web", "cat README; ls bin /new"}).out,
              "an app for tests\nbin:\nnot-executable\ntask\n");
}

// A layer each for what a Dockerfile's lines made: the overlay takes so many, and says so for more.
Test(run, stacks_as_many_layers_as_it_promises) {
  REQUIRE(kNeeds);
  for (const std::size_t count : {127, 128}) {
    Image image = testbox_image();
    while (image.layers.size() < count)
      image.layers.push_back({.entries = {file("app/top", convox::cat(image.layers.size() + 1)),
                                          file(convox::cat("app/layer", image.layers.size() + 1), "")},
                              .compression = Compression::kNone});
    App app(image);
    const Ran ran = app.convox({"run", "web", "cat top; ls | grep -c layer"});
    if (count == 127) {
      EXPECT_TEXT(ran.out, "127125\n");
      EXPECT_TEXT(ran.err, "");
    } else {
      EXPECT_STATUS(ran, 125);
      EXPECT_CONTAINS(ran.err, "the image has 128 layers; overlayfs takes 127 in one mount");
    }
    EXPECT_NOTHING_LEFT(app);
  }
}

Test(run, becomes_the_images_user) {
  REQUIRE(kNeeds);
  App app(testbox_image_with({}, R"({"Env":["PATH=/bin"],"User":"app:staff"})"));
  EXPECT_TEXT(app.convox({"run", "web", "echo $(id -u):$(id -G)"}).out, "1000:50\n");
  EXPECT_TEXT(app.convox({"run", "--user", "root", "web", "echo $(id -u):$(id -G)"}).out, "0:0\n");
}
