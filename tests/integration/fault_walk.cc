// Does a launch or an exec end well when any one of its system calls fails, or anybody in it dies?
//
// A clean run of a MODE=faults convox tells of each call that it makes (runtime/base/faults.h). Then it is started
// again and again, with each one of these calls failing (ENOMEM, EPERM) or killing its caller, in the host side, the
// child and the stage. Each run must
//   - either fail, with one line that says why and nothing on standard output, or start the payload confined exactly as
//     in the clean run: never weaker. If a stream of the user's broke, a line says that its output is cut off
//   - end in time
//   - leave nothing; after a kill of the host side, nothing after the next convox command
//
// Workers walk side by side, each in private namespaces, where its census sees nothing of the others. They are this
// program again: `fault_walk worker ...`. CONVOX_FAULT_WALK="EINTR EIO" tries these faults at
// each call instead, CONVOX_FAULT_FORMS=exec walks only the forms whose names begin so.
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/base/cat.h"
#include "tests/support/fault_points.h"
#include "tests/support/needs.h"
#include "tests/support/sandbox.h"

using namespace convox::test;
using convox::cat;

namespace {

constexpr int kWorkers = 3;  // a run waits about as long as it computes, so more than processors
constexpr std::size_t kEverySeventh = 7;
constexpr std::chrono::seconds kHang{20};
constexpr std::chrono::seconds kLongestWalk{580};  // scripts/run-tests gives a program ten minutes
constexpr const char* kWithInit = "with-init";
constexpr int kKilled = 128 + SIGKILL, kTrapped = 128 + SIGILL;

// --- what is walked
struct Form {
  const char* name;
  std::vector<std::string> flags;
  std::string_view service = "web";
  bool terminal = false;
  std::size_t step = kEverySeventh;
  bool exec = false;  // into a container that was run with these flags
  std::vector<std::string> exec_flags = {};
  std::string network = "none";
};
const Form kForms[] = {
    {.name = "plain", .flags = {}, .step = 1},
    {.name = "terminal", .flags = {}, .terminal = true},
    {.name = "volume", .flags = {"--volume", "./data:/data", "--volume", "./convox.yml:/manifest:ro"}},
    {.name = "host", .flags = {"--userns", "host"}, .network = "host"},
    {.name = "bridge", .flags = {"--publish", "8080:80"}, .step = 3, .network = "bridge"},
    {.name = "init", .flags = {}, .service = kWithInit},
    {.name = "filter", .flags = {"--cap-drop", "ALL", "--cap-add", "SYS_CHROOT", "--read-only"}},
    {.name = "exec", .flags = {}, .step = 1, .exec = true},
    {.name = "exec-terminal", .flags = {}, .terminal = true, .exec = true},
    {.name = "exec-detached", .flags = {}, .exec = true, .exec_flags = {"--detach"}},
    {.name = "exec-host", .flags = {"--userns", "host"}, .exec = true, .network = "host"},
};

// --- one walker: a box with an image that is ready
class Walker {
 public:
  Walker() {
    box_.add_testbox_app();
    box_.write("convox.yml", read_file(box_.app() + "/convox.yml") +
                                 "  with-init:\n    image: oci:image\n    command: sleep 60\n    init: true\n");
    box_.write("data/file", "of the host\n");
    first_ = box_.convox({"run", "web", "testbox", "exit", "0"});  // makes the release, imports the image
  }
  ~Walker() { end_container(); }
  [[nodiscard]] const Ran& first() const { return first_; }
  [[nodiscard]] const std::string& directory() const { return box_.path(); }

  // A clean run, to which the others of this form are compared.
  Ran begin(const Form& form) {
    form_ = &form;
    end_container();
    if (form.exec) start_container();
    Ran clean = start({}).wait();
    reference_ = masked(clean.out);
    if (detached_exec()) settle();
    box_.remember();
    return clean;
  }

  // What the calls of a clean run are: a line "WHO CALL" for each.
  std::string log() {
    const std::string path = box_.path() + "/log";
    start({}, {"/bin/bash", "-c", "exec 1000>\"$0\" \"$@\"", path}).wait();
    std::string text = read_file(path);
    unlink(path.c_str());
    return text;
  }

  // Runs with the fault, and prints what is wrong with the end of it.
  void visit(const Point& point, const std::string& what) {
    ++tally.runs;
    const Ran ran = start(point.fault(what)).wait();
    const bool host_killed = point.who == "host" && ran.status == kKilled;
    std::string wrong;
    if (ran.status == kTimedOut) {
      ++tally.hangs;
      wrong = "hangs";
    } else if (says_incomplete(ran)) {
      wrong = check_output(ran, true);  // the status stays the payload's
    } else if (ran.status == 0) {
      wrong = difference(set_of(reference_), set_of(masked(payload_output(ran))));
      tally.weaker += !wrong.empty();
    } else {
      wrong = host_killed ? check_output(ran, true) : check_failure(ran, point, what);
    }
    // A killed host side cannot clean up, and one whose clean-up failed says so: the next command does it.
    const std::string said = cat(ran.out, ran.err);
    const bool may_leave = host_killed || detached_exec() || said.find("removing container ") != std::string::npos ||
                           said.find("removing what exec left") != std::string::npos;
    wrong += check_leftovers(may_leave);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {  // the orphans that a killed host side bequeathed to us
    }
    if (wrong.empty()) return;
    ++tally.defects;
    printf("DEFECT %s %s: status %d: %s\n  stderr: %s\n", form_->name, point.fault(what).c_str(), ran.status,
           wrong.c_str(), ran.err.c_str());
    fflush(stdout);
  }

  // A call that never returns: the launch has a deadline of a minute, too long to wait for here, but a signal ends it
  // at once.
  std::string stall(const std::string& fault) {
    Program convox = start(fault);
    sleep(1);
    convox.signal(SIGTERM);
    const auto told = std::chrono::steady_clock::now();
    const Ran ran = convox.wait();
    std::string wrong = check_leftovers(false);
    if (ran.status != 128 + SIGTERM) wrong += cat("status ", ran.status, ": ", ran.err);
    if (std::chrono::steady_clock::now() - told > std::chrono::seconds(5)) wrong += "it takes its time";
    return wrong;
  }

  Tally tally;

 private:
  static Census set_of(const std::string& text) {
    const auto list = lines(text);
    return {list.begin(), list.end()};
  }

  [[nodiscard]] bool detached_exec() const { return !form_->exec_flags.empty(); }

  void settle() {
    usleep(200'000);
    box_.convox({"gc"});
  }

  // The one that execs go into.
  void start_container() {
    std::vector<std::string> words = {"run", "--network", form_->network};
    words.insert(words.end(), form_->flags.begin(), form_->flags.end());
    words.insert(words.end(), {"web", "echo up; exec sleep 10000"});
    container_.push_back(box_.start_convox(words, {.limit = kLongestWalk}));
    container_[0].expect("up");
    box_.convox({"gc"});  // by when its record says that it runs
  }
  void end_container() {
    if (container_.empty()) return;
    container_[0].signal(SIGTERM);
    container_[0].wait();
    container_.clear();
  }

  Program start(const std::string& fault, std::vector<std::string> argv = {}) {
    argv.insert(argv.end(), {Sandbox::faults_build() + "/convox", form_->exec ? "exec" : "run"});
    if (!form_->exec) argv.insert(argv.end(), {"--network", form_->network});
    const auto& flags = form_->exec ? form_->exec_flags : form_->flags;
    argv.insert(argv.end(), flags.begin(), flags.end());
    argv.insert(argv.end(), {std::string(form_->service), "testbox", "confinement"});
    Start how{.environment = {"NO_COLOR=1"}, .terminal = form_->terminal, .limit = kHang};
    if (!fault.empty()) how.environment.push_back("CONVOX_FAULT=" + fault);
    return box_.start(std::move(argv), std::move(how));
  }

  std::string check_leftovers(bool after_next_command) {
    std::string wrong, left = box_.leftovers();
    // The lock of a killed one can outlive it by a moment: the task that attached its layers shares its descriptors,
    // and may still be ending. A command that comes that early leaves the container to the next.
    // A watcher that nobody ended sees its client's end itself; a detached command may still be at work.
    for (int moment = 0; moment < 10 && !left.empty() && form_->exec; ++moment) {
      usleep(10'000);
      left = box_.leftovers();
    }
    for (int command = 0; command < 3 && !left.empty() && after_next_command; ++command) {
      const Ran next = box_.convox({"gc"});
      if (next.status != 0) wrong = cat("\nthe next command fails: ", next.err);
      left = box_.leftovers();
    }
    if (left.empty()) return wrong;
    ++tally.leftovers;
    box_.convox({"gc"});
    box_.remember();
    return cat(wrong, "\nleft behind:\n", left);
  }

  // A stream of the user's broke after the start, and the message says so.
  static bool says_incomplete(const Ran& ran) {
    return cat(ran.out, ran.err).find(": its input or output is incomplete: ") != std::string::npos;
  }

  // On a terminal our messages follow it: of an undo that failed, for instance, which is not the payload's failure.
  std::string payload_output(const Ran& ran) const {
    if (!form_->terminal) return ran.out;
    const std::string before = ran.out.substr(0, ran.out.find("ERROR: "));
    std::string text;
    for (const std::string& line : lines(before))
      if (!line.starts_with("WARNING: ")) text += line + "\n";
    if (!text.empty() && !before.ends_with('\n')) text.pop_back();  // half a line stays half a line
    return text;
  }

  // Standard output of a run that failed: nothing, or the whole of it if the payload had run; a part if it was killed
  // or not heard meanwhile.
  std::string check_output(const Ran& ran, bool may_be_cut) const {
    std::string out = payload_output(ran);
    if (may_be_cut) out.resize(out.rfind('\n') + 1);  // only a whole line can be masked
    out = masked(out);
    if (out.empty() || out == reference_ || (may_be_cut && reference_.starts_with(out))) return {};
    return cat("says on stdout:\n", out);
  }

  std::string check_failure(const Ran& ran, const Point& point, const std::string& what) const {
    // Once the stage has said that it is ready, nobody can tell its death from the payload's.
    const bool ready = form_->service == kWithInit || point.call == "seccomp" || point.call == "execve";
    if (what == "kill" && point.who == "stage" && ready && (ran.status == kKilled || ran.status == kTrapped))
      return check_output(ran, true);
    const bool not_executable =
        ran.status == 126 && (point.call == "execve" || point.call == "faccessat2" || point.call == "statx");
    if (ran.status != 125 && !not_executable) return "not the status of a failure of ours";
    // On a terminal the message may follow half a line of the payload's.
    std::string message = form_->terminal ? ran.out.substr(std::min(ran.out.find("ERROR: "), ran.out.size())) : ran.err;
    for (const std::string& line : lines(ran.err))
      if (!line.starts_with("ERROR: ") && !line.starts_with("WARNING: ")) return "a line that is no message";
    const std::size_t first = message.find("ERROR: ");
    if (first == std::string::npos || message.find("ERROR: ", first + 1) != std::string::npos) return "not one error";
    // What broke after the start may have cut the output off: then the message says so.
    return check_output(ran, message.find("running ") != std::string::npos);
  }

  const Form* form_ = nullptr;
  Sandbox box_;
  std::vector<Program> container_;  // one or none
  Ran first_;
  std::string reference_;
};

// `worker NUMBER LOGS`: visits the points whose turn it is in every form. Its last line is for the test.
int work(std::size_t number, const std::string& logs) {
  Walker walker;
  visit_in_turn(walker, kForms, number, kWorkers, logs);
  return 0;
}

constexpr Needs kNeeds = Root | CgroupV2 | UserNamespaces | PrivateNamespaces;

void require_fault_build() {
  if (access((Sandbox::faults_build() + "/convox").c_str(), X_OK) != 0) cr_skip("needs a build with MODE=faults");
}

}  // namespace

Test(fault_walk, ends_well_whatever_fails) {
  REQUIRE(kNeeds);
  require_fault_build();
  if (getenv("CONVOX_TEST_SLOWNESS")) cr_skip("needs a real processor: thousands of containers are started");
  Walker walker;
  EXPECT_STATUS(walker.first(), 0);
  const std::string logs = walker.directory() + "/logs";
  std::size_t points = 0;
  for (const Form& form : kForms) {
    if (!is_asked_for(form.name)) continue;
    EXPECT_STATUS(walker.begin(form), 0);
    const std::string log = walker.log();
    write_file(cat(logs, "/", form.name), log);
    points += (points_in(log).size() + form.step - 1) / form.step;
  }
  cr_expect(points > 500 || getenv("CONVOX_FAULT_FORMS"), "the log of the calls holds %zu lines only", points);

  std::vector<Program> workers = start_workers(kWorkers, {logs}, kLongestWalk);
  cr_assert(workers.size() == kWorkers);
  Tally total;
  for (Program& worker : workers) {
    const std::string defects = total.add(worker.wait());
    cr_expect(defects.empty(), "%s", defects.c_str());
  }
  fprintf(stderr, "fault walk: %zu points, %d runs, leftovers %d, hangs %d, weaker starts %d\n", points, total.runs,
          total.leftovers, total.hangs, total.weaker);
}

// In the child, and in the stage before and after its filter.
Test(fault_walk, ends_a_launch_that_stalls_at_a_signal) {
  REQUIRE(kNeeds);
  require_fault_build();
  Walker walker;
  EXPECT_STATUS(walker.begin(kForms[0]), 0);
  for (const char* fault : {"child:execveat:1:stall", "stage:fsopen:1:stall", "stage:execve:1:stall"})
    EXPECT_TEXT(cat(fault, ": ", walker.stall(fault)), cat(fault, ": "));
  for (const Form& form : kForms) {
    if (form.name != std::string_view("exec")) continue;
    EXPECT_STATUS(walker.begin(form), 0);
    // The first setns is that of the task which makes the child: it waits for nobody (clone.cc, call_in_task).
    for (const char* fault : {"child:setns:2:stall", "stage:keyctl:1:stall", "stage:execve:1:stall"})
      EXPECT_TEXT(cat("exec ", fault, ": ", walker.stall(fault)), cat("exec ", fault, ": "));
  }
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
