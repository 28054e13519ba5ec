// What happens between clone3 and the payload's execve?
//
// This program: small, static, without heap, exceptions or locks, executed from a sealed memfd inside the new
// namespaces. The host's binary is never mapped there, so no payload can reach it (CVE-2019-5736). It maps the plan,
// performs its steps in order, and the last step is the payload. Anything that fails goes to the host side as (step,
// errno): it holds the same plan, and the words.
//
// argv: the program's name, the number of the report socket, the number of the plan's descriptor.
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/stat.h>
#include <sys/socket.h>
#include <time.h>

#include "runtime/stage/stage.h"

namespace convox::stage {
namespace {

Stage the_stage;  // static: no stack frame and no heap holds it

// Started by somebody else, such as a payload that executes /proc/self/exe; or before anything can be reported.
constexpr int kNotOurs = 126;

std::uint64_t now() noexcept {
  timespec time{};
  sys::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(time.tv_nsec);
}

int parse_descriptor(const char* text) noexcept {
  std::uint32_t number = 0;
  return parse_id(text, &number) && number < 1'000'000 ? static_cast<int>(number) : -1;
}

bool is_socket(int fd) noexcept {
  struct statx st {};
  return sys::statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &st) == 0 && (st.stx_mode & S_IFMT) == S_IFSOCK;
}

}  // namespace

void Stage::report(const Report& report, int descriptor) noexcept {
  iovec data{const_cast<Report*>(&report), sizeof report};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    *reinterpret_cast<int*>(CMSG_DATA(part)) = descriptor;
  }
  long sent = 0;
  do sent = sys::sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent == -EINTR);
  // Nobody listens: the host side is gone, and so is the container. Behind the gate that is whoever opened it.
  if (sent < 0) sys::exit_group(kStageFailed);
}

UniqueFd Stage::take(Slot slot) noexcept {
  const int fd = in(slot);
  if (fd >= 0) slots[slot.index] = -1;
  return UniqueFd(fd);
}

void Stage::fail(std::uint32_t step, std::size_t deed, Errno error) noexcept {
  Report last{.kind = Report::kFailed, .step = step, .error = error.value};
  last.detail = difference != Difference::kNone ? static_cast<std::uint32_t>(difference) : hook_status;
  last.deed = static_cast<std::uint32_t>(deed);
  report(last);
  sys::exit_group(kStageFailed);
}

[[noreturn]] void perform_plan(Stage& stage) noexcept {
  const Head& head = stage.plan.head();
  for (std::uint32_t i = 0; i < head.step_count; ++i) {
    const std::uint32_t number = head.first_number + i;
    const Step& step = stage.plan.step(i);
    const std::uint64_t start = head.traced ? now() : 0;
    // CloseOnExec sends the last packet that a filter cannot forbid; what follows is seen from outside.
    const Errno error = std::visit([&](const auto& deed) noexcept { return perform(deed, stage); }, step);
    if (error) stage.fail(number, step.index(), error);
    if (head.traced && !stage.filtered)
      stage.report({.kind = Report::kStepDone, .step = number, .nanoseconds = now() - start});
  }
  stage.fail(head.first_number + head.step_count, 0, Errno(-EINVAL));  // a plan without an end
}

}  // namespace convox::stage

// What std::string_view and std::variant call when they are misused. There is nothing to throw here.
namespace std {
void __throw_out_of_range_fmt(const char*, ...) { convox::sys::exit_group(convox::stage::kStageFailed); }
}  // namespace std

int main(int argc, char** argv) {
#ifdef CONVOX_FAULTS
  convox::faults::start(argv + argc + 1, convox::faults::kStage);  // the environment stands behind the arguments
#endif
  using namespace convox;
  using namespace convox::stage;
  const int socket = argc == 3 ? parse_descriptor(argv[1]) : -1;
  const int plan = argc == 3 ? parse_descriptor(argv[2]) : -1;
  if (socket < 3 || plan < 3 || !is_socket(socket)) return kNotOurs;
  // Execve made us dumpable; with a user namespace our unreadable executable protects us, without one this does.
  // ptrace(2)
  if (sys::prctl(PR_SET_DUMPABLE, 0) < 0 || the_stage.plan.map(plan)) return kNotOurs;
  sys::close(plan);
  the_stage.socket = socket;
  the_stage.report({.kind = Report::kHello});
  perform_plan(the_stage);
}
