// Does `ps` show what runs, and what it really uses? Do wait, rm, pause, resume and update do what they say?
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "tests/support/app.h"
#include "tests/support/wait.h"

using namespace convox::test;

namespace {
constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;
constexpr auto kControllers = kNeeds | CgroupControllers;
constexpr const char* kHeader = "ID  NAME  RELEASE  CPU  MEM  STARTED  COMMAND\n";

// An app of detached containers, which all end with it.
struct Processes : App {
  ~Processes() {
    for (const std::string& app : {std::string("app"), std::string("app-b")}) remove_all(app);
  }
  std::string detached(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"run", "--detach", "--id"});
    const Ran ran = convox(std::move(arguments));
    EXPECT_STATUS(ran, 0);
    return ran.out;
  }
  Program run_on_terminal(std::vector<std::string> argv) { return start(std::move(argv), {.terminal = true}); }
  std::string text(std::vector<std::string> arguments) { return convox(std::move(arguments)).out; }
  bool shows(std::vector<std::string> arguments, const std::string& part) {
    return text(std::move(arguments)).find(part) != std::string::npos;
  }
  // The number behind "key": in the JSON of a process.
  double json(const std::string& id, const std::string& key) {
    const std::string all = text({"ps", "--all", "--json"});
    const std::size_t at = all.find("\"" + key + "\":", all.find("\"id\":\"" + id));
    return at == std::string::npos ? -1 : atof(all.c_str() + at + key.size() + 3);
  }
  std::string group(const std::string& id, const std::string& file) {
    return read_file(cgroup2_mount() + "/convox/" + id + "/" + file);
  }

 private:
  void remove_all(const std::string& app) {
    std::vector<std::string> command = {"ps", "rm", "--force"};
    const std::string ids = text({"ps", "-a", app, "--all", "-q"});
    for (std::size_t at = 0; at + 12 < ids.size(); at += 13) command.push_back(ids.substr(at, 12));
    if (command.size() > 3) EXPECT_STATUS(convox(command), 0);
  }
};

std::vector<std::string> words(const std::string& line) {
  std::vector<std::string> found(1);
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] != ' ')
      found.back() += line[at];
    else if (line.compare(at, 2, "  ") == 0 && !found.back().empty())
      found.emplace_back();
    else if (!found.back().empty())
      found.back() += ' ';
  }
  return found;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> found;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    found.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return found;
}

std::string row_of(const std::string& table, const std::string& id) {
  for (const std::string& line : lines(table))
    if (line.starts_with(id)) return line;
  return {};
}
}  // namespace

// --- ps

Test(ps, of_an_app_without_processes_is_its_header) {
  REQUIRE(kNeeds);
  App app;
  for (const char* name : {"app", "nowhere"}) {
    const Ran ran = app.convox({"ps", "-a", name});
    EXPECT_STATUS(ran, 0);
    EXPECT_TEXT(ran.out, kHeader);
    EXPECT_TEXT(ran.err, "");
  }
  EXPECT_TEXT(app.convox({"ps", "--json"}).out, "[]\n");
  EXPECT_TEXT(app.convox({"ps", "-q"}).out, "");
}

Test(ps, shows_attached_and_detached_processes_by_name) {
  REQUIRE(kNeeds);
  Processes app;
  const std::string background = app.detached({"web", "sh", "-c", "sleep 600; :"});
  Program attached = app.start_convox({"run", "web", "sleep 601"});
  cr_assert(comes_true([&] { return app.shows({"ps"}, "sleep 601"); }));
  const std::string table = app.text({"ps"});
  cr_assert(lines(table).size() == 3, "%s", table.c_str());
  const auto row = words(row_of(table, background));
  cr_assert(row.size() == 7, "%s", table.c_str());
  EXPECT_TEXT(row[1], "web");
  cr_expect(row[2].size() == 11 && row[2][0] == 'R');
  cr_expect(row[3].ends_with("%") && row[4].ends_with("%") && (row[5] == "now" || row[5].ends_with("ago")), "%s",
            table.c_str());
  EXPECT_TEXT(row[6], "sh -c 'sleep 600; :'");
  cr_expect(std::ranges::is_sorted(lines(app.text({"ps", "-q"}))));
  attached.signal(SIGINT);
  attached.wait();
  cr_assert(lines(app.text({"ps"})).size() == 2);
}

// A user of Convox once saw the processes of `app-b` under `app`.
Test(ps, never_shows_another_app_whose_name_begins_with_ours) {
  REQUIRE(kNeeds);
  Processes app;
  const std::string ours = app.detached({"web", "sleep", "600"});
  const std::string theirs = app.detached({"-a", "app-b", "web", "sleep", "600"});
  EXPECT_TEXT(app.text({"ps", "-q"}), ours + "\n");
  EXPECT_TEXT(app.text({"ps", "-q", "-a", "app-b"}), theirs + "\n");
  EXPECT_TEXT(app.text({"ps", "-a", "app-"}), kHeader);
  EXPECT_TEXT(app.text({"rack", "ps", "--format", "{{.App}}"}), "app\napp-b\n");
  EXPECT_CONTAINS(app.text({"rack", "ps"}), "ID            APP    NAME  RELEASE");
  EXPECT_STATUS(app.convox({"ps", "info", theirs}), 0);
  EXPECT_STATUS(app.convox({"ps", "info", "-a", "app", theirs}), 1);
}

Test(ps, tells_the_status_of_each) {
  REQUIRE(kNeeds);
  Processes app;
  const std::string runs = app.detached({"web", "sleep 600"}), fails = app.detached({"web", "exit 3"}),
                    completes = app.detached({"web", "true"}),
                    crashes = app.detached({"--restart", "always", "web", "exit 4"}),
                    paused = app.detached({"web", "sleep 600"});
  EXPECT_TEXT(app.convox({"pause", paused}).out, "Pausing " + paused + "... OK\n");
  const auto is = [&](const std::string& id, const char* status) {
    return comes_true([&] { return words(row_of(app.text({"ps", "--all"}), id))[2] == status; });
  };
  cr_expect(is(runs, "running"));
  cr_expect(is(fails, "failed"));
  cr_expect(is(completes, "complete"));
  cr_expect(is(crashes, "crashed"));  // it waits to be started again, longer each time
  cr_expect(is(paused, "paused"));
  const std::string shown = app.text({"ps", "--status"});
  cr_expect(shown.find(runs) != shown.npos && shown.find(fails) == shown.npos && shown.find(" STATUS ") != shown.npos);
  cr_expect(not app.shows({"ps"}, fails));
  EXPECT_CONTAINS(app.text({"ps", "info", fails}), "Status    failed\nExit      3\n");
  EXPECT_CONTAINS(app.text({"ps", "info", paused}), "Status    paused\n");
  EXPECT_STATUS(app.convox({"ps", "stop", crashes}), 0);
}

Test(ps, filters_and_writes_other_forms) {
  REQUIRE(kNeeds);
  Processes app;
  app.write("convox.yml",
            "services:\n  web:\n    image: oci:image\n  worker:\n    image: oci:image\n    command: sleep 600\n");
  EXPECT_STATUS(app.convox({"deploy"}), 0);
  const std::string web = app.detached({"web", "sleep 600"}), worker = app.detached({"worker", "sleep 601"});
  const std::string release = app.text({"ps", "-s", "web", "--format", "{{.Release}}"}).substr(0, 11);
  EXPECT_TEXT(app.text({"ps", "-q", "-s", "worker"}), worker + "\n");
  EXPECT_TEXT(app.text({"ps", "-q", "--service", "work"}), "");
  EXPECT_TEXT(app.text({"ps", "-q", "--release", "r"}), web + "\n" + worker + "\n");
  EXPECT_TEXT(app.text({"ps", "--release", release + "X"}), kHeader);
  EXPECT_TEXT(app.text({"ps", "-s", "web", "--format", "{{.ID}}\\t{{.Name}}: {{.Command}} ({{.Status}})"}),
              web + "\tweb: sleep 600 (running)\n");
  const Ran wrong = app.convox({"ps", "--format", "{{.Nope}}"});
  EXPECT_STATUS(wrong, 1);
  EXPECT_CONTAINS(wrong.err, "ERROR: --format: {{.Nope}} is not a field; there are ID, App, Name");
  EXPECT_CONTAINS(app.text({"ps", "--psi"}), "MEM    CPU-PSI  MEM-PSI  IO-PSI  STARTED");
  EXPECT_CONTAINS(app.text({"ps", "--json", "-s", "web"}), "[{\"id\":\"" + web + "\",\"app\":\"app\",\"name\":\"web\"");
  cr_expect(app.json(web, "pid") > 1);
}

Test(ps, cuts_commands_at_the_terminal_and_never_obeys_them) {
  REQUIRE(kNeeds);
  Processes app;
  app.detached({"web", "testbox", "sleep", "600", "\033]0;pwned\a", std::string(100, 'x')});
  const Ran cut = app.convox({"ps"}, {.environment = {"NO_COLOR=1"}, .terminal = true});
  cr_expect(cut.out.find("\033]0;") == std::string::npos);
  EXPECT_CONTAINS(cut.out, "..\r\n");
  for (const std::string& line : lines(cut.out)) cr_expect(line.size() <= 81, "%s", line.c_str());
  for (const auto& arguments : {std::vector<std::string>{"ps"}, {"ps", "--no-trunc"}}) {
    const Ran whole = app.convox(arguments, {.environment = {"NO_COLOR=1"}, .terminal = arguments.size() == 2});
    EXPECT_CONTAINS(whole.out, "testbox sleep 600 '\\x1b]0;pwned\\x07' " + std::string(100, 'x'));
  }
}

Test(ps, watches_until_it_is_interrupted) {
  REQUIRE(kNeeds);
  Processes app;
  const std::string id = app.detached({"web", "sleep 600"});
  Program watching = app.start_convox({"ps", "--watch", "1"});
  for (int round = 0; round < 2; ++round) {
    cr_assert(watching.expect("Every 1s:\n\nID "));
    cr_assert(watching.expect(id));
  }
  watching.signal(SIGINT);
  EXPECT_STATUS(watching.wait(), 0);
}

Test(ps, info_has_convoxs_rows_and_ours) {
  REQUIRE(kNeeds);
  Processes app;
  const std::string id = app.detached({"web", "sleep 600"});
  const auto rows = lines(app.text({"ps", "info", id.substr(0, 6)}));
  const char* names[] = {"Id",      "App",    "Command", "Instance", "Release", "Service",
                         "Started", "Status", "CPU",     "Memory",   "Host PID"};
  cr_assert(rows.size() == std::size(names));
  for (std::size_t at = 0; at < rows.size(); ++at)
    cr_expect(rows[at].starts_with(names[at]) && rows[at][9] == ' ' && rows[at][10] != ' ', "%s", rows[at].c_str());
  EXPECT_TEXT(rows[0], "Id        " + id);
  EXPECT_TEXT(rows[2], "Command   sleep 600");
  const Ran missing = app.convox({"ps", "info", "zzz"});
  EXPECT_STATUS(missing, 1);
  EXPECT_TEXT(missing.err, "ERROR: no such process: zzz\n");
  EXPECT_TEXT(missing.out, "");
}

// --- what is used

Test(ps, counts_the_processor_that_a_process_has) {
  REQUIRE(kNeeds);
  Processes app;
  const std::string spins = app.detached({"web", "testbox", "spin", "600"}), idles = app.detached({"web", "sleep 600"});
  // Beside other work a spinner does not have all of a processor: what it had is told by its own counter, read around
  // the whole run of `ps`.
  const auto used = [&] { return atof(lines_with(app.group(spins, "cpu.stat"), "usage_usec ").at(0).c_str()); };
  const auto seconds = [] {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
  };
  std::vector<double> ratios;
  for (int round = 0; round < 7; ++round) {
    const double used_before = used(), start = seconds();
    const double shown = app.json(spins, "cpu_percent");
    ratios.push_back(shown / ((used() - used_before) / (seconds() - start) / 1e4));
  }
  std::ranges::sort(ratios);
  cr_expect(ratios[3] > 0.95 && ratios[3] < 1.05, "%f %f %f", ratios[2], ratios[3], ratios[4]);
  cr_expect(app.json(idles, "cpu_percent") < 2);
}

Test(ps, counts_the_memory_that_a_process_has) {
  REQUIRE(kNeeds);
  Processes app;
  const std::string id = app.detached({"web", "testbox", "hold", "100", "600"});
  cr_assert(comes_true([&] { return app.json(id, "memory_bytes") > 100 << 20; }));
  const double bytes = app.json(id, "memory_bytes");
  cr_expect(bytes < 1.05 * (100 << 20), "%f", bytes);
  const double percent = app.json(id, "memory_percent"), limit = app.json(id, "memory_limit_bytes");
  cr_expect(percent > 0.9 * 100 * bytes / limit && percent < 1.1 * 100 * bytes / limit, "%f of %f: %f", bytes, limit,
            percent);
}

Test(ps, counts_against_the_limit_where_there_is_one) {
  REQUIRE(kControllers);
  Processes app;
  const std::string id = app.detached({"--memory-limit", "200", "web", "testbox", "hold", "100", "600"});
  cr_assert(comes_true([&] { return app.json(id, "memory_percent") > 50; }));
  cr_expect(app.json(id, "memory_percent") < 52.5);
  cr_expect(app.json(id, "memory_limit_bytes") == 200 << 20);
  EXPECT_CONTAINS(app.text({"ps", "info", id}), "MB/200MB)\n");
  cr_expect(app.json(id, "pids") == 1);
  // What it read stays in the page cache and is no use of its own: the kernel takes it back when it likes.
  const std::string reads = app.detached({"web", "head -c 50000000 /dev/zero >/big; cat /big >/dev/null; sleep 600"});
  cr_expect(comes_true([&] { return app.shows({"ps"}, reads); }));
}

// --- wait and rm

Test(ps, wait_prints_the_status_of_each_when_it_has_ended) {
  REQUIRE(kNeeds);
  Processes app;
  const std::string first = app.detached({"web", "sleep 0.5; exit 3"}),
                    removed = app.detached({"--rm", "web", convox::cat("sleep ", slowness(), "; exit 4")}),
                    again = app.detached({"--restart", "on-failure:2", "web", "sleep 0.1; exit 5"}),
                    runs = app.detached({"web", "sleep 600"});
  const Ran ran = app.convox({"ps", "wait", first, removed, again});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.out, "3\n4\n5\n");
  cr_expect(app.json(again, "restarts") == 2);
  EXPECT_TEXT(app.text({"ps", "wait", first}), "3\n");  // it is long over
  const Ran late = app.convox({"ps", "wait", "--timeout", "200ms", runs});
  EXPECT_STATUS(late, 1);
  EXPECT_TEXT(late.err, "ERROR: process " + runs + " has not ended within 200ms\n");
  EXPECT_STATUS(app.convox({"ps", "wait", "nobody"}), 1);
}

Test(ps, wait_ends_with_an_attached_process_too) {
  REQUIRE(kNeeds);
  Processes app;
  Program attached = app.start_convox({"run", "--keep", "web", "sleep 1; exit 6"});
  cr_assert(comes_true([&] { return not app.text({"ps", "-q"}).empty(); }));
  EXPECT_TEXT(app.text({"ps", "wait", app.text({"ps", "-q"}).substr(0, 12)}), "6\n");
  EXPECT_STATUS(attached.wait(), 6);
}

Test(ps, rm_removes_what_has_ended_and_kills_only_by_force) {
  REQUIRE(kNeeds);
  Processes app;
  const std::string runs = app.detached({"web", "trap '' TERM; while :; do sleep 1; done"}),
                    over = app.detached({"web", "true"}),
                    again = app.detached({"--restart", "always", "web", "exit 1"});
  EXPECT_TEXT(app.text({"ps", "wait", over}), "0\n");
  const Ran refused = app.convox({"ps", "rm", over, runs});
  EXPECT_STATUS(refused, 1);
  EXPECT_CONTAINS(refused.err, "process " + runs + " is running; stop it first, or use --force");
  EXPECT_STATUS(app.convox({"ps", "info", over}), 0);  // none of them, then
  EXPECT_TEXT(app.text({"ps", "rm", over}), "Removing " + over + "... OK\n");
  EXPECT_STATUS(app.convox({"ps", "info", over}), 1);
  EXPECT_TEXT(app.text({"ps", "rm", "--force", runs, again}),
              "Removing " + runs + "... OK\nRemoving " + again + "... OK\n");
  EXPECT_TEXT(app.text({"ps", "--all", "-q"}), "");
  for (const std::string& id : {runs, over, again}) {
    cr_expect(not exists(app.lib() + "/containers/" + id));
    cr_expect(not exists(app.state() + "/c/" + id));
    cr_expect(not exists(cgroup2_mount() + "/convox/" + id));
  }
}

Test(ps, keeps_the_last_twenty_that_ended) {
  REQUIRE(kNeeds);
  Processes app;
  const std::string id = app.detached({"web", "true"});
  EXPECT_TEXT(app.text({"ps", "wait", id}), "0\n");
  EXPECT_TEXT(app.text({"ps", "--all", "-q"}), id + "\n");
  const std::string place = app.lib() + "/containers/";
  std::string record = read_file(place + id + "/state.json");
  for (const char* key : {"\"finished\":", "\"started\":"})  // without its first digit: decades ago
    record.erase(record.find(key) + std::string(key).size(), 1);
  for (int number = 10; number < 32; ++number) {
    std::string other = record;
    other.replace(other.find(id), 12, "0000000000" + std::to_string(number));
    write_file(place + "0000000000" + std::to_string(number) + "/state.json", other, 0600);
  }
  cr_assert(lines(app.text({"ps", "--all", "-q"})).size() == 20);
  EXPECT_STATUS(app.convox({"ps", "info", id}), 0);
}

// --- pause, resume, update

Test(ps, a_paused_process_stands_still) {
  REQUIRE(kNeeds);
  Processes app;
  const std::string id = app.detached({"web", "testbox", "spin", "600"});
  EXPECT_TEXT(app.text({"pause", id}), "Pausing " + id + "... OK\n");
  const double used = app.json(id, "cpu_usec");
  sleep_milliseconds(200);
  cr_expect(app.json(id, "cpu_usec") == used);
  Ran twice = app.convox({"pause", id});
  EXPECT_STATUS(twice, 1);
  EXPECT_TEXT(twice.err, "ERROR: process " + id + " is paused already\n");
  EXPECT_TEXT(app.text({"resume", id}), "Resuming " + id + "... OK\n");
  cr_expect(comes_true([&] { return app.json(id, "cpu_usec") > used; }));
  EXPECT_TEXT(app.convox({"resume", id}).err, "ERROR: process " + id + " is not paused\n");
  const std::string over = app.detached({"web", "exit 3"});
  EXPECT_TEXT(app.text({"ps", "wait", over}), "3\n");
  for (const char* command : {"pause", "resume"})
    EXPECT_TEXT(app.convox({command, over}).err,
                "ERROR: process " + over + " is not running (it exited with status 3)\n");
}

Test(ps, update_without_its_controller_changes_nothing) {
  REQUIRE(kNeeds);
  if (missing(CgroupControllers).empty()) cr_skip("needs a host without controllers");
  Processes app;
  const std::string id = app.detached({"web", "sleep 600"});
  const std::string before = read_file(app.state() + "/c/" + id + "/config.json");
  const Ran ran = app.convox({"update", id, "--pids-limit", "5"});
  EXPECT_STATUS(ran, 1);
  EXPECT_CONTAINS(ran.err, "a limit of processes needs the pids controller");
  EXPECT_TEXT(read_file(app.state() + "/c/" + id + "/config.json"), before);
  EXPECT_CONTAINS(app.convox({"update", id}).err, "ERROR: no limit given");
}

Test(ps, update_changes_limits_that_run_and_restart_know) {
  REQUIRE(kControllers);
  Processes app;
  const std::string id = app.detached({"--restart", "always", "--memory-limit", "64", "web", "sleep 600"});
  EXPECT_TEXT(
      app.text({"update", id, "--memory-limit", "128", "--pids-limit", "7", "--cpu-limit", "1500", "--cpu", "250"}),
      "Updating " + id + "... OK\n");
  const auto in_force = [&] {
    EXPECT_TEXT(app.group(id, "memory.max"), "134217728\n");
    EXPECT_TEXT(app.group(id, "pids.max"), "7\n");
    EXPECT_TEXT(app.group(id, "cpu.max"), "150000 100000\n");
    EXPECT_TEXT(app.group(id, "cpu.weight"), "35\n");
  };
  in_force();
  kill(static_cast<int>(app.json(id, "pid")), SIGKILL);
  cr_assert(comes_true([&] { return app.json(id, "restarts") == 1 && app.shows({"ps", "--status"}, "running"); }));
  in_force();
}

Test(ps, update_is_all_or_nothing) {
  REQUIRE(kControllers);
  Processes app;
  const std::string id = app.detached({"--memory-limit", "200", "web", "testbox", "hold", "100", "600"});
  cr_assert(comes_true([&] { return app.json(id, "memory_bytes") > 100 << 20; }));
  const std::string config = app.state() + "/c/" + id + "/config.json", before = read_file(config);
  // More processes than there can be: the kernel says no after the weight was written.
  EXPECT_STATUS(app.convox({"update", id, "--cpu", "250", "--pids-limit", "99999999"}), 1);
  EXPECT_TEXT(app.group(id, "cpu.weight"), "100\n");
  EXPECT_TEXT(app.group(id, "pids.max"), "2048\n");
  // Less memory than it has: the kernel would kill it.
  const Ran small = app.convox({"update", id, "--memory-limit", "50", "--cpu", "250"});
  EXPECT_STATUS(small, 1);
  EXPECT_CONTAINS(small.err, "a memory limit of 51200 KB is less than what it uses now");
  EXPECT_TEXT(app.group(id, "cpu.weight"), "100\n");
  EXPECT_TEXT(app.group(id, "memory.max"), "209715200\n");
  EXPECT_TEXT(read_file(config), before);
  EXPECT_CONTAINS(app.text({"ps", "--status"}), "running");
}

// --- stats

Test(stats, without_a_terminal_is_a_table) {
  REQUIRE(kNeeds);
  Processes app;
  const std::string id = app.detached({"web", "sleep 600"});
  for (const char* command : {"stats", "top"}) {
    const Ran ran = app.convox({command});
    EXPECT_STATUS(ran, 0);
    EXPECT_CONTAINS(ran.out, "ID            APP  NAME  STATUS   CPU");
    EXPECT_CONTAINS(ran.out, id + "  app  web   running  ");
  }
  cr_expect(not app.shows({"stats", "-a", "nowhere"}, id));
}

Test(stats, on_a_terminal_follows_it_and_gives_it_back) {
  REQUIRE(kNeeds);
  Processes app;
  const std::string id = app.detached({"web", "sleep 600"});
  const std::string line = convox::cat("a=$(stty -g); ", Sandbox::build(),
                                       "/convox top; s=$?; [ \"$a\" = \"$(stty -g)\" ] && echo restored $s.");
  for (const char* end : {"q", "\003"}) {
    Program shell = app.run_on_terminal({"/bin/sh", "-c", line});
    cr_assert(shell.expect("\033[?1049h\033[?25l"));
    cr_assert(shell.expect("convox stats  all apps  1 process  by cpu"));
    cr_assert(shell.expect(id + "  app/web "));
    shell.resize(10, 120);
    cr_assert(shell.expect("MEM%"));
    shell.type("n");
    cr_assert(shell.expect("by name"));
    shell.type(end);
    cr_assert(shell.expect("\033[?25h\033[?1049l"));
    cr_assert(shell.expect("restored 0."));
    shell.wait();
  }
}

Test(stats, gives_the_terminal_back_when_a_signal_ends_it) {
  REQUIRE(kNeeds);
  App app;
  const std::pair<int, int> ends[] = {{SIGINT, 0}, {SIGTERM, 128 + SIGTERM}, {SIGHUP, 128 + SIGHUP}};
  for (const auto& [signal, status] : ends) {
    Program live = app.start_convox({"stats"}, {.terminal = true});
    cr_assert(live.expect("0 processes"));
    live.signal(signal);
    cr_assert(live.expect("\033[?25h\033[?1049l"));
    EXPECT_STATUS(live.wait(), status);
  }
}
