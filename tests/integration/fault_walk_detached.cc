// Do `run --detach`, `ps stop` and `logs` end well when any one of their system calls fails, or anybody in them dies?
//
// As fault_walk.cc does for an attached run: each call of a clean run is made to fail (ENOMEM, EPERM) or to kill its
// caller, in convox, the launcher, the child, the stage and the keeper. Each visit must
//   - either fail with one line, or have started the payload confined exactly as in the clean run
//   - end in time, and leave a container that can be stopped, or none
//   - leave nothing but logs, once the next commands have run
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/keeper/log_format.h"
#include "tests/support/fault_points.h"
#include "tests/support/needs.h"
#include "tests/support/sandbox.h"
#include "tests/support/wait.h"

using namespace convox::test;
using convox::cat;

namespace {

constexpr int kWorkers = 3;
constexpr std::chrono::seconds kHang{20};
constexpr std::chrono::seconds kLongestWalk{580};  // scripts/run-tests gives a program ten minutes
constexpr int kKilled = 128 + SIGKILL;
constexpr const char* kEnd = "end of report\n";

// What is walked. Every `step`-th point: an attached launch makes the stage's calls too, and fault_walk.cc visits them
// all.
struct Form {
  const char* name;
  std::size_t step;
};
const Form kForms[] = {{"run", 2}, {"minded", 5}, {"stop", 2}, {"logs", 2}};

class Walker {
 public:
  Walker() {
    box_.add_testbox_app();
    const Ran first = box_.convox({"run", "--detach", "--wait", "--rm", "web", "testbox", "exit", "0"});
    must_succeed(first, "a first run");
    box_.remember();
  }
  [[nodiscard]] const std::string& directory() const { return box_.path(); }

  void begin(const Form& form) {
    form_ = &form;
    const Ran clean = command({}, prepare());
    must_succeed(clean, form.name);
    reference_ = masked(report_of(clean));
    logged_ = clean.out;
    clean_up();
    box_.remember();
  }
  [[nodiscard]] bool is_sound() const { return reference_.find("cap_effective=") != std::string::npos || !starts(); }

  std::string log() {
    const std::string path = box_.path() + "/log";
    command({}, prepare(), {"/bin/bash", "-c", "exec 1000>\"$0\" \"$@\"", path});
    clean_up();
    std::string text = read_file(path);
    unlink(path.c_str());
    return text;
  }

  void visit(const Point& point, const std::string& what) {
    ++tally.runs;
    const std::string id = prepare();
    const Ran ran = command(point.fault(what), id);
    std::string wrong;
    if (ran.status == kTimedOut) {
      ++tally.hangs;
      wrong = "hangs";
    } else if (ran.status == 0) {
      wrong = check_success(ran, point);
    } else if (!(point.who == "host" && ran.status == kKilled)) {
      wrong = check_failure(ran);
    }
    wrong += clean_up();
    if (wrong.empty()) return;
    ++tally.defects;
    printf("DEFECT %s %s: status %d: %s\n  stderr: %s\n", form_->name, point.fault(what).c_str(), ran.status,
           wrong.c_str(), ran.err.c_str());
    fflush(stdout);
  }

  Tally tally;

 private:
  [[nodiscard]] bool is(std::string_view name) const { return name == form_->name; }
  [[nodiscard]] bool starts() const { return is("run") || is("minded"); }

  // Without a fault everything succeeds, or the walk proves nothing.
  void must_succeed(const Ran& ran, const char* what) {
    if (ran.status == 0) return;
    ++tally.defects;
    printf("DEFECT without a fault: %s: status %d: %s\n", what, ran.status, ran.err.c_str());
  }

  // What has to be there before the command: for stop a container that runs, for logs one that has ended. Its id.
  std::string prepare() {
    if (starts()) return {};
    const Ran ran = is("stop") ? box_.convox({"run", "--detach", "--id", "web", "sleep 60"})
                               : box_.convox({"run", "--detach", "--wait", "--rm", "web", "echo one; echo two >&2"});
    must_succeed(ran, "what has to be there before");
    return is("stop") ? ran.out : ran.err.substr(ran.err.find(": ") + 2, 12);
  }

  Ran command(const std::string& fault, const std::string& id, std::vector<std::string> argv = {}) {
    argv.push_back(Sandbox::faults_build() + "/convox");
    const std::string line =
        cat("testbox confinement; printf '%s\\n' '", std::string(kEnd, strlen(kEnd) - 1), "'; exec sleep 60");
    if (is("run")) argv.insert(argv.end(), {"run", "--detach", "--id", "--network", "none", "web", line});
    if (is("minded"))
      argv.insert(argv.end(), {"run", "--detach", "--id", "--network", "none", "--restart", "on-failure", "web", line});
    if (is("stop")) argv.insert(argv.end(), {"ps", "stop", id});
    if (is("logs")) argv.insert(argv.end(), {"logs", "--no-follow", "--raw", "-p", id});
    Start how{.environment = {"NO_COLOR=1"}, .limit = kHang};
    if (!fault.empty()) how.environment.push_back("CONVOX_FAULT=" + fault);
    return box_.run(std::move(argv), std::move(how));
  }

  [[nodiscard]] std::vector<std::string> living() const {
    std::vector<std::string> ids;
    for (const std::string& line : box_.census())
      if (const std::size_t at = line.find("/run/c/"); at != std::string::npos && line.size() == at + 7 + 12)
        ids.push_back(line.substr(at + 7));
    return ids;
  }

  // What the payload said of its confinement, once it has said all.
  std::string report_of(const Ran& ran) {
    if (!starts()) return {};
    const std::string path = cat(box_.lib(), "/apps/app/logs/", ran.out, "/00000001.log");
    std::string text;
    for (int moment = 0; moment < 300 && text.find(kEnd) == std::string::npos; ++moment) {
      if (moment > 0) sleep_milliseconds(10);
      text = output_in(read_file(path));
    }
    return text.substr(0, text.find(kEnd));
  }

  // What came from standard output, of a segment's records.
  static std::string output_in(const std::string& segment) {
    std::string text;
    convox::log::RecordHead head;
    for (std::size_t at = sizeof(convox::log::SegmentHead); at + sizeof head <= segment.size();) {
      memcpy(&head, segment.data() + at, sizeof head);
      at += sizeof head;
      if (head.kind == convox::log::Kind::kOutput) text += segment.substr(at, head.size);
      at += head.size;
    }
    return text;
  }

  std::string check_success(const Ran& ran, const Point& point) {
    if (is("logs")) {
      // Times differ from log to log, and are as long.
      return ran.out.size() == logged_.size() ? "" : cat("shows\n", ran.out, "and not\n", logged_);
    }
    if (!starts()) return {};
    if (point.who == "keeper") return {};  // it may have died or lost output since: what it held was confined before it
    // Once the stage has said that it is ready, nobody can tell its death from the payload's.
    if (point.who == "stage" && (point.call == "seccomp" || point.call == "execve")) return {};
    const std::string report = masked(report_of(ran));
    if (report == reference_) return {};
    ++tally.weaker;
    return cat("confined otherwise:\n", difference(set_of(reference_), set_of(report)));
  }

  static Census set_of(const std::string& text) {
    const auto list = lines(text);
    return {list.begin(), list.end()};
  }

  [[nodiscard]] std::string check_failure(const Ran& ran) const {
    // 125 from others too: when it is what every command begins with that failed.
    if (ran.status != 125 && ran.status != (starts() ? 126 : 1)) return "not the status of a failure of ours";
    const std::size_t first = ran.err.find("ERROR: ");
    if (first == std::string::npos || ran.err.find("ERROR: ", first + 1) != std::string::npos) return "not one error";
    return starts() && !ran.out.empty() ? cat("says on stdout: ", ran.out) : "";
  }

  // Stops what runs, as a user would, and looks what is left.
  std::string clean_up() {
    std::string wrong;
    for (int round = 0; round < 3; ++round) {
      for (const std::string& id : living()) {
        const Ran stopped = box_.convox({"ps", "stop", "--grace", "0", id}, {.limit = kHang});
        if (stopped.status != 0 && stopped.err.find("no such process") == std::string::npos &&
            stopped.err.find("not running") == std::string::npos)
          wrong += cat("\ncannot be stopped: ", stopped.err);
      }
      const Ran swept = box_.convox({"gc", "--kept"}, {.limit = kHang});
      if (swept.status != 0) wrong += cat("\nthe next command fails: ", swept.err);
      while (waitpid(-1, nullptr, WNOHANG) > 0) {  // keepers whose convox has gone are ours
      }
      if (left().empty()) return wrong;
      sleep_milliseconds(20);  // what was just killed may hold a lock for a moment
    }
    ++tally.leftovers;
    const std::string remains = left();
    box_.remember();
    return cat(wrong, "\nleft behind:\n", remains);
  }

  [[nodiscard]] std::string left() const {
    std::string remains;
    for (const std::string& line : lines(box_.leftovers()))
      if (line.find("/logs") == std::string::npos) remains += line + "\n";
    return remains;
  }

  const Form* form_ = nullptr;
  Sandbox box_;
  std::string reference_, logged_;
};

// `worker NUMBER LOGS`: visits the points whose turn it is in every form. Its last line is for the test.
int work(std::size_t number, const std::string& logs) {
  Walker walker;
  visit_in_turn(walker, kForms, number, kWorkers, logs);
  return 0;
}

}  // namespace

Test(fault_walk_detached, ends_well_whatever_fails) {
  REQUIRE(Root | CgroupV2 | UserNamespaces | PrivateNamespaces);
  if (access((Sandbox::faults_build() + "/convox").c_str(), X_OK) != 0) cr_skip("needs a build with MODE=faults");
  if (getenv("CONVOX_TEST_SLOWNESS")) cr_skip("needs a real processor: thousands of containers are started");
  Walker walker;
  const std::string logs = walker.directory() + "/logs";
  std::size_t points = 0;
  for (const Form& form : kForms) {
    walker.begin(form);
    cr_assert(walker.is_sound(), "%s: the clean run reports nothing", form.name);
    const std::string log = walker.log();
    write_file(cat(logs, "/", form.name), log);
    points += (points_in(log).size() + form.step - 1) / form.step;
  }
  cr_assert(walker.tally.defects == 0);
  cr_expect(points > 500, "the log of the calls holds %zu lines only", points);
  Tally total;
  for (Program& worker : start_workers(kWorkers, {logs}, kLongestWalk)) {
    const std::string defects = total.add(worker.wait());
    cr_expect(defects.empty(), "%s", defects.c_str());
  }
  fprintf(stderr, "fault walk: detached, %zu points, %d runs, leftovers %d, hangs %d, weaker starts %d\n", points,
          total.runs, total.leftovers, total.hangs, total.weaker);
}

// Criterion's, but for the workers.
int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "worker") return work(std::strtoul(argv[2], nullptr, 10), argv[3]);
  criterion_test_set* tests = criterion_initialize();
  int status = 0;
  if (criterion_handle_args(argc, argv, true)) status = criterion_run_all_tests(tests) ? 0 : 1;
  criterion_finalize(tests);
  return status;
}
