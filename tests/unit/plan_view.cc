// A plan whose bytes were damaged is refused or ends the stage; it is never followed out of its bounds.
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/stage/stage.h"
#include "runtime/stage_plan.h"

using namespace convox;
using namespace convox::stage;

namespace {

std::string sound_plan() {
  runtime::StagePlan plan;
  plan.then(MountNew{plan.text("proc"), plan.text("/proc"), plan.list({"hidepid=2", "subset=pid"}), 0,
                     Target::kPlainDirectory});
  plan.then(SetHostname{plan.text("name")});
  plan.then(Execute{});
  plan.argv = {"ls", "-la"};
  plan.env = {"A=b"};
  return plan.bytes(1);
}

int sealed(const std::string& bytes, int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) {
  const int fd = ::memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  cr_assert(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  cr_assert(::fcntl(fd, F_ADD_SEALS, seals) == 0);
  return fd;
}

// Reads all that the stage would read.
std::size_t read_everything(const PlanView& view) {
  std::size_t sum = 0;
  const auto text = [&](Text t) { sum += view.view(t).size() + static_cast<unsigned char>(view.text(t)[0]); };
  const auto list = [&](Texts l) {
    for (std::uint32_t i = 0; i < l.count; ++i) text(view.item(l, i));
  };
  for (std::uint32_t i = 0; i < view.head().step_count; ++i) {
    if (const auto* mount = std::get_if<MountNew>(&view.step(i)))
      text(mount->type), text(mount->target), list(mount->options);
    if (const auto* name = std::get_if<SetHostname>(&view.step(i))) text(name->name);
  }
  list(view.head().argv);
  list(view.head().envp);
  return sum;
}

// In a child, which may end by exit_group: its exit status, or -1 for a signal.
int outcome(const std::string& bytes) {
  const int fd = sealed(bytes);
  const pid_t child = ::fork();
  if (child == 0) {
    PlanView view;
    if (view.map(fd)) ::_exit(1);
    volatile std::size_t sum = read_everything(view);
    ::_exit(sum == 0 ? 2 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(fd);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

Test(plan_view, reads_back_a_sound_plan) {
  PlanView view;
  cr_assert(not view.map(sealed(sound_plan())));
  cr_assert(view.head().step_count == 3);
  cr_assert(view.view(view.item(view.head().argv, 1)) == "-la");
  cr_assert(view.view(std::get<SetHostname>(view.step(1)).name) == "name");
}

Test(plan_view, refuses_what_is_not_sealed_or_not_a_plan) {
  PlanView view;
  cr_assert(view.map(sealed(sound_plan(), F_SEAL_SHRINK)).value == EPERM);
  cr_assert(view.map(sealed("")).value == EINVAL);
  cr_assert(view.map(sealed(std::string(4096, 'x'))).value == EINVAL);
  std::string longer = sound_plan() + "x";
  cr_assert(view.map(sealed(longer)).value == EINVAL);
}

Test(plan_view, damaged_bytes_never_lead_out_of_the_plan) {
  const std::string sound = sound_plan();
  int refused = 0;
  for (std::size_t at = 0; at < sound.size(); ++at) {
    for (const unsigned char flip : {0x01, 0x80, 0xff}) {
      std::string damaged = sound;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      const int status = outcome(damaged);
      cr_assert(status != -1, "byte %zu ^ 0x%02x: killed by a signal", at, flip);
      refused += status == 1 || status == kStageFailed;
    }
  }
  cr_assert(refused > 100, "only %d were noticed", refused);  // the rest changed a text or a flag into another
}
