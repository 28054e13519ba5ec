// How does the host side make a child, follow it while it becomes the stage, and know that it became the payload?
//
// A launch makes it in new namespaces, an exec in those of a container; what follows is the same conversation, which
// stage/plan.h draws. Everything heard from it has a deadline: it may be stopped, or killed, by somebody inside. Read
// next: clone.cc (the child), launch.cc and exec.cc (who performs all other steps).
#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cgroups/cgroup.h"
#include "runtime/clone.h"
#include "runtime/plan.h"
#include "runtime/terminal.h"
#include "runtime/words.h"

namespace convox::runtime {

// Called after each step with its number and duration; for --trace. Steps of the stage come when the host side reads of
// them.
using StepDone = std::function<void(std::size_t number, std::chrono::nanoseconds duration)>;

// A payload that runs.
struct Running {
  UniqueFd pidfd;
  int pid = -1;  // in our PID namespace
  std::optional<cgroups::Cgroup> cgroup;
  // Either our ends of three pipes, or the master of the container's terminal. None when nobody listens.
  UniqueFd input, output, error_output;
  UniqueFd console;
};

// What whoever follows a child must know of it.
struct Expected {
  bool terminal = false;
  std::optional<TerminalSize> terminal_size = {};
  bool new_user_namespace = false;
  std::uint32_t preserved = 0;  // descriptors from 3 on that it keeps
  // Of what the stage failed at; then no error says the number of its step. Without it: words.h.
  std::function<Error(const stage::Step&, const StagePlan&, Errno, std::uint32_t detail)> explain = {};
  std::function<Result<>(const UniqueFd&)> on_listener = {};  // what to do with a seccomp listener
};

Expected expected_of(const ContainerConfig& config);

class StageChild {
 public:
  // `plan` is performed, and outlives this. `signals` is a signalfd: a signal before the payload runs ends the wait
  // with Error::kInterrupted; -1: none is waited for.
  template <class Step>
  StageChild(const PlanOf<Step>& plan, Expected expected, int signals, StepDone done)
      : StageChild(plan.stage, plan.first_of_stage(), plan.before.size(), std::move(expected), signals,
                   std::move(done)) {}

  // Ends a child that did not become a payload, before the memory that it may still share goes.
  ~StageChild() { give_up(); }
  StageChild(const StageChild&) = delete;
  StageChild& operator=(const StageChild&) = delete;

  // Performs the host side's steps in order: `deed` has an overload for each. `first` is the number of the first one.
  // Errors are `.under("step N of M, what it does")`.
  template <class Step, class Deed>
  Result<> perform(const std::vector<Step>& steps, std::size_t first, Deed deed) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      if (Result<> result = std::visit(deed, steps[i]); !result)
        return blame(std::move(result).error(), first + i, words(steps[i]).deed);
      if (done_) done_(first + i, std::chrono::steady_clock::now() - start);
    }
    return ok();
  }

  // In this order. `owner` is the host id of the container's root. Without open_stdio the child has ours.
  Result<> open_stdio(const OpenStdio& step, std::uint32_t owner);
  Result<> seal(const SealPrograms& step);
  Result<> clone(const Birth& birth, const cgroups::Cgroup* cgroup);  // none: it stays in ours
  Result<> go();  // one byte, for whoever waits for it: the child, or the stage
  Result<> await_hello();
  Result<> hand_over(const std::vector<UniqueFd>& slots);
  Result<> await_hooks();
  // From here on, each of the two awaits gets `longer` than usual: programs of others run.
  void allow(std::chrono::seconds longer) { longer_ = longer; }
  Result<> await_created();  // the stage lets go of us at its gate
  Result<> await_payload();

  // Kills and reaps it, if it is still ours.
  void give_up();

  [[nodiscard]] int pid() const { return child_.pid; }
  [[nodiscard]] int socket() const { return socket_.get(); }
  // The terminal's master, if it has come.
  UniqueFd& console() { return running_.console; }
  // Once it is the payload, or at its gate: all of Running but its cgroup.
  Running release();

 private:
  StageChild(const StagePlan& plan, std::size_t first, std::size_t number, Expected expected, int signals,
             StepDone done);

  struct Incoming {
    std::optional<stage::Report> report;  // nothing: end of file
    UniqueFd descriptor;
  };
  Result<Incoming> receive();
  Result<> take(Incoming incoming);
  void start_clock();
  Error failure(const stage::Report& report) const;
  Error ended_early() const;
  Error why_it_ended();
  Error blame(Error error, std::size_t number, std::string_view deed);
  [[nodiscard]] std::size_t size() const { return first_ - 1 + plan_.steps().size(); }  // of the whole plan

  const StagePlan& plan_;
  std::size_t first_;     // number of the stage's first step
  std::uint32_t number_;  // of the step that makes the child
  const Expected expected_;
  int signals_;
  StepDone done_;
  std::chrono::seconds longer_{0};
  std::chrono::steady_clock::time_point deadline_;
  bool reported_ = false;  // the error at hand came from the stage and names its step

  UniqueFd stage_, stage_plan_;  // sealed
  UniqueFd socket_;
  UniqueFd stdio_[3];  // the child's
  bool joins_ = false;
  const cgroups::Cgroup* cgroup_ = nullptr;
  ChildMemory memory_;
  Child child_;
  Running running_;
};

}  // namespace convox::runtime
