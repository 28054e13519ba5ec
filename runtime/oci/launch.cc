#include "runtime/oci/launch.h"

#include "runtime/oci/hooks.h"
#include "runtime/oci/launching.h"
#include "runtime/oci/notify_socket.h"
#include "runtime/oci/outlets.h"
#include "runtime/oci/words.h"

namespace convox::oci {

namespace {

constexpr std::chrono::seconds kNoLimit{24 * 3600};

// Hooks inside run while we wait for the stage.
std::chrono::seconds time_of(const std::vector<Hook>& hooks) {
  std::chrono::seconds all{0};
  for (const Hook& hook : hooks) all += hook.timeout == 0 ? kNoLimit : std::chrono::seconds(hook.timeout);
  return all;
}

runtime::Expected expected_of(const Plan& plan, bool creating) {
  runtime::Expected expected;
  expected.terminal = plan.config.process && plan.config.process->terminal;
  if (expected.terminal) expected.terminal_size = plan.config.process->console_size;
  expected.new_user_namespace = creating && plan.config.is_new(Kind::kUser);
  expected.preserved = plan.wishes.preserved;
  return expected;
}

}  // namespace

Launch::Launch(const Plan& plan, const Surroundings& around, State& state, int signals, runtime::StepDone trace)
    : plan_(plan),
      around_(around),
      state_(state),
      child_(
          plan,
          [&] {
            runtime::Expected expected = expected_of(plan, around.claim != nullptr);
            expected.explain = [this](const stage::Step& step, const runtime::StagePlan& stage, Errno error,
                                      std::uint32_t detail) {
              Error explained = explain_stage(step, stage, error, detail);
              if (std::holds_alternative<stage::RunHook>(step) && create_output_)
                if (const std::string said = last_words(create_output_); !said.empty())
                  explained.text += cat(": ", said);
              return explained;
            };
            expected.on_listener = [this](const UniqueFd& listener) {
              return send_listener(around_.outlets, listener, state_, child_.pid());
            };
            return expected;
          }(),
          signals, std::move(trace)) {}

Result<Started> Launch::perform() {
  const auto deed = [this](const auto& step) { return perform(step); };
  child_.allow(time_of(plan_.config.hooks.create_container) +
               (plan_.wishes.gate ? std::chrono::seconds{0} : time_of(plan_.config.hooks.start_container)));
  TRY(child_.perform(plan_.before, 1, deed));
  TRY(child_.perform(plan_.meanwhile, plan_.first_meanwhile(), deed));
  runtime::Running running = child_.release();
  return Started{std::move(running.pidfd), running.pid, std::move(running.console)};
}

Result<Started> create(const Plan& plan, const States& states, const Claim& claim, const cgroups::Hierarchy& hierarchy,
                       const Outlets& outlets, State& state, int signals, runtime::StepDone trace) {
  Launch launch(plan, {&states, &claim, nullptr, hierarchy, outlets}, state, signals, std::move(trace));
  Started started = TRY(launch.perform());
  if (plan.wishes.gate) return started;
  TRY(after_start(plan.config, state, started.pidfd));
  if (launch.notify()) TRY(relay_ready(launch.notify(), plan.wishes.notify_socket, started.pidfd, started.pid));
  return started;
}

Result<Started> exec(const Plan& plan, const State& state, const UniqueFd& process, const cgroups::Hierarchy& hierarchy,
                     const Outlets& outlets, int signals, runtime::StepDone trace) {
  State known = state;
  return Launch(plan, {nullptr, nullptr, &process, hierarchy, outlets}, known, signals, std::move(trace)).perform();
}

}  // namespace convox::oci
