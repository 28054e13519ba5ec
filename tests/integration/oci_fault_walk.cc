// Does each verb of convox-oci end well when any one of its system calls fails, or anybody in it dies?
//
// A clean run of a MODE=faults convox-oci tells of each call that it makes (runtime/base/faults.h). Then it is started
// again and again, with each one of these calls failing (ENOMEM, EPERM) or killing its caller, in the host side, the
// child and the stage. Each visit must
//   - either fail, with one line on stderr, and what it was making gone without a further word; or have the payload
//     confined exactly as in the clean run: never weaker
//   - end in time
//   - leave what `delete --force` removes, with success, to the last trace: also if the host side was killed
//
// A created container is started too, for the stage behind its gate makes its calls by the environment of `create`.
// Workers walk side by side, as those of fault_walk.cc. CONVOX_FAULT_WALK="EINTR EIO" tries these faults at each call
// instead, CONVOX_FAULT_FORMS=exec walks only the forms whose names begin so.
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "tests/oci/support/container.h"
#include "tests/support/fault_points.h"
#include "tests/support/sandbox.h"

using namespace convox::test;

namespace {

constexpr int kWorkers = 3;  // a verb waits about as long as it computes, so more than processors
constexpr std::chrono::seconds kHang{20};
constexpr std::chrono::seconds kLongestWalk{580};  // scripts/run-tests gives a program ten minutes
constexpr int kKilled = 128 + SIGKILL, kTrapped = 128 + SIGILL;
constexpr int kMoments = 50;  // of 10 ms: for what ends by itself when it sees that the host side is gone
constexpr const char* kNeverSaid = "\n\n";

// --- what is walked
enum class Verb { kRun, kCreate, kStart, kExec, kKill, kDelete };
struct Form {
  const char* name;
  Verb verb;
  std::size_t step;
  bool rich = false;  // with hooks, a filter, mounts, limits: what an engine writes
  bool user_namespace = false;
  bool terminal = false;
  std::vector<std::string> words = {};  // to the verb, after the id; of delete before it
};
const Form kForms[] = {
    {.name = "create", .verb = Verb::kCreate, .step = 1, .rich = true},
    {.name = "create-terminal", .verb = Verb::kCreate, .step = 5, .terminal = true},
    {.name = "run", .verb = Verb::kRun, .step = 1, .user_namespace = true},
    {.name = "run-rich", .verb = Verb::kRun, .step = 4, .rich = true, .user_namespace = true},
    {.name = "start", .verb = Verb::kStart, .step = 2, .rich = true},
    {.name = "exec", .verb = Verb::kExec, .step = 2, .rich = true},
    {.name = "exec-user", .verb = Verb::kExec, .step = 4, .user_namespace = true},
    {.name = "kill", .verb = Verb::kKill, .step = 2, .words = {"KILL"}},
    {.name = "kill-all", .verb = Verb::kKill, .step = 3, .words = {"--all", "TERM"}},
    {.name = "delete", .verb = Verb::kDelete, .step = 2, .rich = true},
    {.name = "delete-force", .verb = Verb::kDelete, .step = 2, .rich = true, .words = {"--force"}},
};

constexpr const char* kFilter =
    R"({"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_AARCH64"],)"
    R"("syscalls":[{"names":["sethostname"],"action":"SCMP_ACT_ERRNO"}]})";

// Whether the payload had begun, or could have, cannot be told from the death of the stage at these calls.
bool is_last_of_stage(const Point& point) {
  const bool gives_up_admin = point.call == "capset" && point.number == 3;  // behind the filter
  return point.who == "stage" && (point.call == "seccomp" || point.call == "execve" || gives_up_admin);
}

// --- one walker: a box with a container of the form
class Walker {
 public:
  // Clean runs, to which the others of this form are compared; the second is with a warm cache of filters.
  void begin(const Form& form) {
    form_ = &form;
    box_.reset();
    box_ = std::make_unique<Container>();
    configure();
    if (is_exec()) prepare();
    for (int i = 0; i < 2; ++i) {
      if (!is_exec()) prepare();
      const Ran clean = perform({});
      must_succeed(clean, "the verb");
      reference_ = masked(payload_output(clean));
      if (!is_exec()) clean_up();
      box_->remember();
    }
    if (reference_.find("cap_effective=") == std::string::npos && has_payload())
      complain("without a fault", cat("the payload says: ", reference_));
  }

  // What the calls of a clean run are: a line "WHO CALL" for each.
  std::string log() {
    const std::string path = box_->path() + "/calls";
    if (!is_exec()) prepare();
    perform({}, {"/bin/bash", "-c", "exec 1000>\"$0\" \"$@\"", path});
    if (!is_exec()) clean_up();
    return read_file(path);
  }

  // Runs with the fault, and prints what is wrong with the end of it.
  void visit(const Point& point, const std::string& what) {
    ++tally.runs;
    if (!is_exec()) prepare();
    const Ran ran = perform(point.fault(what));
    const bool host_killed = what == "kill" && point.who == "host" && ran.status == kKilled;
    const std::string out = payload_output(ran);
    std::string wrong;
    if (ran.status == kTimedOut) {
      ++tally.hangs;
      wrong = "hangs";
    } else if (host_killed) {
      wrong = check_part(out);
    } else if (ran.status == 0) {
      wrong = check_success(out, what == "kill" && is_last_of_stage(point));
    } else {
      wrong = check_failure(ran, out, what == "kill" && is_last_of_stage(point));
    }
    const bool undone = !host_killed && refused_;
    wrong += check_leftovers(undone);
    if (!wrong.empty()) complain(cat(point.fault(what), ": status ", ran.status, ", stderr: ", ran.err), wrong);
  }

  Tally tally;

 private:
  static Census set_of(const std::string& text) {
    const auto list = lines(text);
    return {list.begin(), list.end()};
  }
  [[nodiscard]] bool is_exec() const { return form_->verb == Verb::kExec; }
  [[nodiscard]] bool has_payload() const { return form_->verb <= Verb::kExec; }

  void complain(const std::string& what, const std::string& wrong) {
    ++tally.defects;
    printf("DEFECT %s %s: %s\n", form_->name, what.c_str(), wrong.c_str());
    fflush(stdout);
  }
  // Without a fault everything succeeds, or the walk proves nothing.
  void must_succeed(const Ran& ran, const char* what) {
    if (ran.status != 0) complain(cat("without a fault: ", what), cat("status ", ran.status, ": ", ran.err));
  }

  void configure() {
    Container& box = *box_;
    const bool ends = form_->verb == Verb::kDelete && form_->words.empty();
    if (form_->verb <= Verb::kStart)
      box.testbox({"confinement"});
    else
      box.args(ends ? Words{"/bin/true"} : Words{"/bin/sleep", "10000"});
    if (form_->user_namespace) box.user_namespace();
    if (form_->terminal) {
      box.set("/process/terminal", "true");
      box.set("/process/noNewPrivileges", "false");
      box.set("/linux/seccomp", kFilter);
    }
    if (!form_->rich) return;
    box.set("/linux/seccomp", kFilter);
    for (const char* kind : {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"})
      box.set(cat("/hooks/", kind), R"([{"path":"/bin/true"}])");
    make_directories(box.path() + "/data");
    box.set("/mounts/-", cat(R"({"type":"bind","source":)", quoted(box.path() + "/data"),
                             R"(,"destination":"/mnt/data","options":["rbind","ro","nosuid"]})"));
    box.set("/linux/maskedPaths", R"(["/proc/kcore","/sys/firmware"])");
    box.set("/linux/readonlyPaths", R"(["/proc/sys","/proc/bus"])");
    box.set("/linux/sysctl", R"({"net.ipv4.ip_unprivileged_port_start":"0"})");
    box.set("/linux/resources", R"({"devices":[{"allow":false,"access":"rwm"}]})");
    box.set("/process/rlimits", R"([{"type":"RLIMIT_NOFILE","soft":512,"hard":1024}])");
    box.set("/process/oomScoreAdj", "100");
    box.set("/process/user", R"({"uid":1000,"gid":1000,"additionalGids":[7]})");
  }

  // What has to be there before the verb.
  void prepare() {
    if (form_->verb == Verb::kRun || form_->verb == Verb::kCreate) return;
    Ran made = create({});
    if (made.status == 0 && form_->verb != Verb::kStart) made = box_->start_call({"start", box_->id()}).wait();
    must_succeed(made, "what has to be there before");
    // A container that was made is a child of whoever adopts the orphan: us.
    if (form_->verb == Verb::kDelete && form_->words.empty() && made.status == 0) waitpid(-1, nullptr, 0);
  }

  Ran create(Start how) {
    for (const char* file : {"/out", "/err"}) write_file(box_->path() + file, "");
    Words flags;
    if (form_->terminal) {
      const std::string path = box_->path() + "/console";
      unlink(path.c_str());
      console_ = std::make_unique<ConsoleSocket>(path);
      flags = {"--console-socket", path};
    }
    Ran ran = box_->start_detached("create", flags, std::move(how)).wait();
    ran.err += box_->err();
    return ran;
  }

  Ran perform(const std::string& fault, std::vector<std::string> argv = {}) {
    Start how{.argv = std::move(argv), .limit = kHang};
    if (!fault.empty()) how.environment.push_back("CONVOX_FAULT=" + fault);
    const std::string& id = box_->id();
    refused_ = false;
    Words words = {id};
    switch (form_->verb) {
      case Verb::kCreate: {
        Ran ran = create(std::move(how));
        refused_ = ran.status != 0;
        return ran.status == 0 ? box_->start_call({"start", id}, {.limit = kHang}).wait() : ran;
      }
      case Verb::kRun: {
        box_->write_config();
        Ran ran = box_->start_call({"run", "--bundle", box_->bundle(), id}, std::move(how)).wait();
        refused_ = ran.status != 0 && ran.out.empty();
        return ran;
      }
      case Verb::kStart:
        words.insert(words.begin(), "start");
        break;
      case Verb::kExec:
        words = {"exec", id, "/testbox", "confinement"};
        break;
      case Verb::kKill:
        words.insert(words.begin(), "kill");
        words.insert(form_->words.size() > 1 ? words.begin() + 1 : words.end(), form_->words.begin(),
                     form_->words.end() - 1);
        words.push_back(form_->words.back());
        break;
      case Verb::kDelete:
        words.insert(words.begin(), form_->words.begin(), form_->words.end());
        words.insert(words.begin(), "delete");
        break;
    }
    return box_->start_call(std::move(words), std::move(how)).wait();
  }

  // All of it, if it comes in time.
  std::string payload_output(const Ran& ran) {
    if (form_->verb == Verb::kRun || is_exec()) return ran.out;
    if (!has_payload()) return {};
    if (form_->terminal) {
      const int master = ran.status == 0 ? console_->receive() : -1;
      const std::string text = master < 0 ? "" : read_until(master, kNeverSaid);  // up to its end
      if (master >= 0) close(master);
      console_.reset();
      return text;
    }
    if (ran.status != 0) return box_->out();
    // It is an orphan, and so our child, when it has ended.
    for (int moment = 0; moment < 2 * kMoments && waitpid(-1, nullptr, WNOHANG) == 0; ++moment) sleep_milliseconds(10);
    return box_->out();
  }

  std::string check_success(const std::string& out, bool may_be_dead) {
    if (!has_payload() || (may_be_dead && out.empty())) return {};
    const std::string differs = difference(set_of(reference_), set_of(masked(out)));
    tally.weaker += !differs.empty();
    return differs;
  }

  // Nothing, or a beginning of what the payload says.
  std::string check_part(std::string out) const {
    out.resize(out.rfind('\n') + 1);  // only a whole line can be masked
    out = masked(out);
    return reference_.starts_with(out) ? "" : cat("says on stdout:\n", out);
  }

  [[nodiscard]] std::string check_failure(const Ran& ran, const std::string& out, bool may_be_dead) const {
    if (may_be_dead && (ran.status == kKilled || ran.status == kTrapped)) return check_part(out);
    if (ran.status != (is_exec() ? 255 : 1)) return "not the status of a failure of ours";
    if (lines(ran.err).size() != 1) return "not one line on stderr";
    return check_part(out);
  }

  void clean_up() { must_succeed(box_->start_call({"delete", "--force", box_->id()}).wait(), "delete --force"); }

  // An exec must leave the container as it was. `undone`: a verb that fails removes what it made.
  std::string check_leftovers(bool undone) {
    std::string left, wrong;
    const auto look = [&](int moments) {
      left = box_->leftovers();
      for (int moment = 0; moment < moments && !left.empty(); ++moment) {
        sleep_milliseconds(10);
        left = box_->leftovers();
      }
      while (!is_exec() && waitpid(-1, nullptr, WNOHANG) > 0) {  // what a killed host side bequeathed to us
      }
      return !left.empty();
    };
    if (is_exec()) {
      if (!look(kMoments)) return {};
    } else {
      if (undone && look(0)) wrong = cat("\nleaves what it made:\n", left);
      const Ran ran = box_->start_call({"delete", "--force", box_->id()}, {.limit = kHang}).wait();
      if (ran.status != 0 || !ran.err.empty()) wrong += cat("\ndelete --force: status ", ran.status, ": ", ran.err);
      if (!look(kMoments / 10)) return wrong;
    }
    ++tally.leftovers;
    clean_up();
    if (is_exec()) prepare();
    box_->remember();
    return cat(wrong, "\nleft behind:\n", left);
  }

  const Form* form_ = nullptr;
  std::unique_ptr<Container> box_;
  std::unique_ptr<ConsoleSocket> console_;
  std::string reference_;
  bool refused_ = false;  // by `create`, or by `run` before its payload said anything
};

// `worker NUMBER LOGS`: visits the points whose turn it is in every form.
int work(std::size_t number, const std::string& logs) {
  if (!missing_for_containers().empty()) return 1;
  Walker walker;
  visit_in_turn(walker, kForms, number, kWorkers, logs);
  return 0;
}

}  // namespace

Test(oci_fault_walk, every_verb_ends_well_whatever_fails) {
  if (access(runtime_path().c_str(), X_OK) != 0) cr_skip("needs a build with MODE=faults");
  REQUIRE_CONTAINERS();
  if (getenv("CONVOX_TEST_SLOWNESS")) cr_skip("needs a real processor: thousands of containers are made");
  Sandbox logs;
  std::size_t points = 0;
  Walker walker;
  for (const Form& form : kForms) {
    if (!is_asked_for(form.name)) continue;
    walker.begin(form);
    const std::string log = walker.log();
    write_file(cat(logs.path(), "/", form.name), log);
    points += (points_in(log).size() + form.step - 1) / form.step;
  }
  cr_assert(walker.tally.defects == 0, "without a fault something is wrong already");
  cr_expect(points > 500 || getenv("CONVOX_FAULT_FORMS"), "the log of the calls holds %zu lines only", points);

  std::vector<Program> workers = start_workers(kWorkers, {logs.path()}, kLongestWalk);
  cr_assert(workers.size() == kWorkers);
  Tally total;
  for (Program& worker : workers) {
    const std::string defects = total.add(worker.wait());
    cr_expect(defects.empty(), "%s", defects.c_str());
  }
  fprintf(stderr, "fault walk: oci: %zu points, %d runs, leftovers %d, hangs %d, weaker starts %d\n", points,
          total.runs, total.leftovers, total.hangs, total.weaker);
}

// Criterion's, but for the workers.
int main(int argc, char** argv) {
  setenv("RUNTIME", (Sandbox::faults_build() + "/convox-oci").c_str(), 1);
  if (argc == 4 && std::string_view(argv[1]) == "worker") return work(std::strtoul(argv[2], nullptr, 10), argv[3]);
  criterion_test_set* tests = criterion_initialize();
  int status = 0;
  if (criterion_handle_args(argc, argv, true)) status = criterion_run_all_tests(tests) ? 0 : 1;
  criterion_finalize(tests);
  return status;
}
