// An exec is data until somebody performs it: what it takes from the container, and in which order.
#include "runtime/exec_plan.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <cstdlib>

#include "cli/explain_view.h"
#include "runtime/base/fs.h"
#include "tests/unit/expect.h"
#include "tests/unit/modern_host.h"

using namespace convox;
using namespace convox::runtime;

namespace {

ContainerConfig of_container() {
  ContainerConfig config;
  config.id = "0123456789ab";
  config.argv = {"ls", "-la"};
  config.env = {"PATH=/bin"};
  config.directory = "/app";
  config.user = "web";
  config.layers = {std::string(64, 'a')};
  return config;
}

ExecPlan planned(ContainerConfig config, bool detached = false) {
  auto plan = plan_exec(std::move(config), {{RLIMIT_NOFILE, 1024, 4096}, {RLIMIT_FSIZE, 1, RLIM64_INFINITY}}, detached,
                        modern_host(), "filter__");
  cr_assert(plan.has_value(), "%s", plan ? "" : plan.error().text.c_str());
  return *std::move(plan);
}

constexpr std::size_t kNone = std::size_t(-1);

template <class Step>
std::size_t place(const ExecPlan& plan) {
  for (std::size_t i = 0; i < plan.stage.steps().size(); ++i)
    if (std::holds_alternative<Step>(plan.stage.steps()[i])) return i;
  return kNone;
}

template <class Step>
const Step* on_host(const ExecPlan& plan) {
  for (const auto* steps : {&plan.before, &plan.meanwhile})
    for (const ExecStep& step : *steps)
      if (const auto* found = std::get_if<Step>(&step)) return found;
  return nullptr;
}

}  // namespace

Test(exec_plan, the_group_and_its_watcher_are_there_before_the_child) {
  const ExecPlan plan = planned(of_container());
  cr_assert(std::holds_alternative<MakeExecGroup>(plan.before[1]));
  cr_assert(std::holds_alternative<StartWatcher>(plan.before[2]));
  cr_assert(std::holds_alternative<CloneInto>(plan.before.back()));
  // While it shares our memory, an OOM kill of the child would be ours too, and its score ours. The stage waits for
  // that.
  cr_assert(std::holds_alternative<ProtectSupervisor>(plan.before[0]));
  cr_assert(std::holds_alternative<AwaitStage>(plan.meanwhile[0]));
  cr_assert(std::holds_alternative<ResetScheduling>(plan.meanwhile[1]));
  cr_assert(std::holds_alternative<LetStageGoOn>(plan.meanwhile[2]));
  cr_assert(std::holds_alternative<AwaitPayload>(plan.meanwhile.back()));
}

Test(exec_plan, the_stage_gives_up_rights_in_the_order_that_leaves_no_gap) {
  const ExecPlan plan = planned(of_container());
  using namespace stage;
  const std::size_t order[] = {
      place<StartSession>(plan), place<EnterRoot>(plan),       place<ResolveUser>(plan),     place<OwnStdio>(plan),
      place<SetLimit>(plan),     place<AwaitGo>(plan),         place<NoNewPrivileges>(plan), place<DropBounding>(plan),
      place<BecomeUser>(plan),   place<SetCapabilities>(plan), place<DieWithParent>(plan),   place<FindCommand>(plan),
      place<Verify>(plan),       place<CloseOnExec>(plan),     place<LoadFilter>(plan),      place<Execute>(plan)};
  for (std::size_t i = 0; i + 1 < std::size(order); ++i)
    cr_assert(order[i] < order[i + 1], "step %zu of the list", i + 1);
  cr_assert(place<Execute>(plan) + 1 == plan.stage.steps().size());
}

// The file system is the container's; a step of exec that mounted something would change what runs there.
Test(exec_plan, nothing_in_the_container_is_mounted_made_or_renamed) {
  ContainerConfig config = of_container();
  config.volumes.push_back({"/srv", "/srv"});
  config.tmpfs.push_back({"/scratch", 0});
  config.own_volumes.emplace_back("/var/lib/data");
  config.read_only_root = true;
  config.terminal = true;
  config.init = true;
  const ExecPlan plan = planned(config);
  using namespace stage;
  for (const std::size_t at :
       {place<UnshareMounts>(plan), place<Receive>(plan), place<AttachRoot>(plan), place<MountNew>(plan),
        place<AttachTree>(plan), place<PlaceFile>(plan), place<PivotRoot>(plan), place<ImageVolume>(plan),
        place<MakeDirectory>(plan), place<Mask>(plan), place<ReadOnly>(plan), place<ReadOnlyRoot>(plan),
        place<SetHostname>(plan), place<WriteSysctl>(plan), place<RaiseLoopback>(plan), place<BecomeInit>(plan)})
    cr_assert(at == kNone, "step %zu", at);
  cr_assert(not std::get<OpenConsole>(plan.stage.steps()[place<OpenConsole>(plan)]).as_console);
  cr_assert(std::get<Verify>(plan.stage.steps()[place<Verify>(plan)]).mounts == Verify::Mounts::kUnknown);
}

Test(exec_plan, confinement_is_the_containers) {
  ContainerConfig config = of_container();
  config.capabilities = security::bit(CAP_CHOWN);
  config.no_new_privileges = false;
  config.namespaces.network = false;
  config.never_root = true;
  const ExecPlan plan = planned(config);
  const auto& steps = plan.stage.steps();
  cr_assert(std::get<stage::DropBounding>(steps[place<stage::DropBounding>(plan)]).keep == security::bit(CAP_CHOWN));
  const auto& held = std::get<stage::SetCapabilities>(steps[place<stage::SetCapabilities>(plan)]);
  cr_assert(held.permitted == security::bit(CAP_CHOWN) && held.effective == held.permitted && held.only_root);
  cr_assert(held.inheritable == 0 && held.ambient == 0 && held.for_filter);
  const auto& verify = std::get<stage::Verify>(steps[place<stage::Verify>(plan)]);
  cr_assert(verify.bounding == security::bit(CAP_CHOWN) && not verify.no_new_privs);
  cr_assert(place<stage::NoNewPrivileges>(plan) == kNone);
  cr_assert(std::get<stage::LoadFilter>(steps[place<stage::LoadFilter>(plan)]).as_admin);
  cr_assert(std::get<stage::ResolveUser>(steps[place<stage::ResolveUser>(plan)]).never_root);
  cr_assert(not on_host<CloneInto>(plan)->namespaces.network);
}

Test(exec_plan, a_detached_command_outlives_us_and_has_nothing_of_ours) {
  ContainerConfig config = of_container();
  config.terminal = true;
  const ExecPlan plan = planned(config, true);
  cr_assert(on_host<StartWatcher>(plan) == nullptr);
  cr_assert(on_host<OpenStdio>(plan)->by_stage);
  cr_assert(place<stage::OpenNull>(plan) != kNone);
  cr_assert(place<stage::OpenConsole>(plan) == kNone);
  cr_assert(place<stage::OwnStdio>(plan) == kNone);  // /dev/null is everybody's
  cr_assert(place<stage::DieWithParent>(plan) == kNone);
}

Test(exec_plan, what_cannot_be_a_command_is_refused) {
  ContainerConfig config = of_container();
  config.argv = {""};
  cr_assert(not plan_exec(config, {}, false, modern_host(), "").has_value());
  config = of_container();
  config.directory = "app";
  cr_assert(not plan_exec(config, {}, false, modern_host(), "").has_value());
  config = of_container();
  config.env = {"=x"};
  cr_assert(not plan_exec(config, {}, false, modern_host(), "").has_value());
}

// The whole text of --explain; after a change that is meant: CONVOX_GOLDEN=write build/release/tests/unit/exec_plan
Test(exec_plan, explains_itself_as_the_golden_text_says) {
  const std::string text = cli::explain(planned(of_container()), "convox exec 0123456789ab ls -la");
  const char* path = "tests/golden/exec_ls.txt";
  const char* mode = std::getenv("CONVOX_GOLDEN");
  if (mode && std::string_view(mode) == "write") {
    UniqueFd file(sys::openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    cr_assert(fs::write_all(file.get(), text, path).has_value());
  }
  const auto golden = fs::read(AT_FDCWD, path, 1 << 20);
  cr_assert(golden.has_value(), "run from the top of the source tree");
  cr_assert(*golden == text, "differs from %s:\n%s", path, text.c_str());
}
