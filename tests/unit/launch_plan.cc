// A launch is data until somebody performs it: what is planned, in which order, and what is refused.
#include "runtime/launch_plan.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>

#include <cstdlib>
#include <cstring>

#include "cli/explain_view.h"
#include "runtime/base/fs.h"
#include "tests/unit/expect.h"
#include "tests/unit/modern_host.h"

using namespace convox;
using namespace convox::runtime;

namespace {

ContainerConfig simple() {
  ContainerConfig config;
  config.id = "0123456789ab";
  config.app = "shop";
  config.service = "web";
  config.release = "RABCDEFGHIJ";
  config.argv = {"ls", "-la"};
  config.env = {"PATH=/bin"};
  config.directory = "/app";
  config.network = {"shop", {{"tcp", "", 8080, 3000, {}}}};
  config.layers = {std::string(64, 'a'), std::string(64, 'b')};
  return config;
}

LaunchPlan planned(ContainerConfig config, const Host& host = modern_host()) {
  auto plan = plan_launch(std::move(config), host, "filter__");
  cr_assert(plan.has_value(), "%s", plan ? "" : plan.error().text.c_str());
  return *std::move(plan);
}

std::string refused(ContainerConfig config, const Host& host = modern_host()) {
  auto plan = plan_launch(std::move(config), host, "filter__");
  return plan ? "accepted" : plan.error().text;
}

template <class Step>
std::size_t place(const LaunchPlan& plan, std::size_t occurrence = 0) {
  for (std::size_t i = 0; i < plan.stage.steps().size(); ++i)
    if (std::holds_alternative<Step>(plan.stage.steps()[i]) && occurrence-- == 0) return i;
  return std::size_t(-1);
}

template <class Step>
bool has(const LaunchPlan& plan) {
  return place<Step>(plan) != std::size_t(-1);
}

template <class Step>
bool host_side_has(const LaunchPlan& plan) {
  for (const auto* steps : {&plan.before, &plan.meanwhile})
    for (const HostStep& step : *steps)
      if (std::holds_alternative<Step>(step)) return true;
  return false;
}

}  // namespace

Test(launch_plan, the_record_is_the_first_deed_and_the_clone_ends_the_first_part) {
  const LaunchPlan plan = planned(simple());
  cr_assert(std::holds_alternative<ProtectSupervisor>(plan.before[0]));  // nothing that outlives us
  cr_assert(std::holds_alternative<WriteRecord>(plan.before[1]));
  cr_assert(std::holds_alternative<CloneChild>(plan.before.back()));
  cr_assert(std::holds_alternative<AwaitPayload>(plan.meanwhile.back()));
}

// Each pair is a rule of the kernel or of a CVE; stage_plan.cc says which.
Test(launch_plan, the_stage_does_things_in_the_order_that_leaves_no_gap) {
  ContainerConfig config = simple();
  config.read_only_root = true;
  const LaunchPlan plan = planned(config);
  using namespace stage;
  const std::size_t order[] = {
      place<StartSession>(plan),    place<UnshareMounts>(plan), place<SetHostname>(plan), place<Receive>(plan),
      place<AttachRoot>(plan),      place<MountNew>(plan),      place<ResolveUser>(plan), place<PivotRoot>(plan),
      place<WriteSysctl>(plan),     place<Mask>(plan),          place<ReadOnly>(plan),    place<ReadOnlyRoot>(plan),
      place<NoNewPrivileges>(plan), place<DropBounding>(plan),  place<BecomeUser>(plan),  place<SetCapabilities>(plan),
      place<DieWithParent>(plan),   place<FindCommand>(plan),   place<Verify>(plan),      place<CloseOnExec>(plan),
      place<LoadFilter>(plan),      place<Execute>(plan)};
  for (std::size_t i = 0; i + 1 < std::size(order); ++i)
    cr_assert(order[i] < order[i + 1], "step %zu of the list", i + 1);
  cr_assert(place<Execute>(plan) + 1 == plan.stage.steps().size());
}

// The kernel wants CAP_SYS_ADMIN for it then: kept for the filter alone, and in both cases the filter is last.
Test(launch_plan, without_no_new_privs_the_filter_is_loaded_as_late_and_by_a_right_kept_for_it) {
  using namespace stage;
  for (const bool no_new_privileges : {true, false}) {
    ContainerConfig config = simple();
    config.no_new_privileges = no_new_privileges;
    const LaunchPlan plan = planned(config);
    const auto& steps = plan.stage.steps();
    cr_assert(has<NoNewPrivileges>(plan) == no_new_privileges);
    cr_assert(place<LoadFilter>(plan) == place<CloseOnExec>(plan) + 1);
    cr_assert(std::get<LoadFilter>(steps[place<LoadFilter>(plan)]).as_admin == not no_new_privileges);
    cr_assert(std::get<SetCapabilities>(steps[place<SetCapabilities>(plan)]).for_filter == not no_new_privileges);
  }
}

Test(launch_plan, a_memory_limit_is_written_after_the_stages_hello_and_never_before_the_clone) {
  ContainerConfig config = simple();
  config.limits.memory_max = 64 << 20;
  const LaunchPlan plan = planned(config);
  std::size_t hello = 0, limit = 0;
  for (std::size_t i = 0; i < plan.meanwhile.size(); ++i) {
    if (std::holds_alternative<AwaitStage>(plan.meanwhile[i])) hello = i;
    if (std::holds_alternative<LimitMemory>(plan.meanwhile[i])) limit = i;
  }
  cr_assert(0 < hello && hello < limit);
  for (const HostStep& step : plan.before)
    if (const auto* group = std::get_if<MakeCgroup>(&step))
      for (const auto& setting : group->settings) cr_assert(setting.file != "memory.max");
}

Test(launch_plan, the_hosts_network_changes_sysfs_and_leaves_lo_and_sysctls_alone) {
  ContainerConfig config = simple();
  config.network = {};
  const Slots none = slots_of(config);
  config.namespaces.network = false;
  const LaunchPlan plan = planned(config);
  cr_assert(host_side_has<OpenSysfs>(plan));
  cr_assert(not has<stage::RaiseLoopback>(plan));
  cr_assert(not has<stage::WriteSysctl>(plan));
  cr_assert(slots_of(config).count == none.count + 1);
  cr_assert(not host_side_has<LeaseAddress>(plan) && not host_side_has<StartNetwork>(plan));
}

namespace {

template <class Step>
std::size_t number_of(const LaunchPlan& plan) {
  std::size_t number = 0;
  for (const auto* steps : {&plan.before, &plan.meanwhile})
    for (const HostStep& step : *steps) {
      ++number;
      if (std::holds_alternative<Step>(step)) return number;
    }
  return 0;
}

}  // namespace

// What is leased can be undone by whoever reads the record, and the command finds a network that works.
Test(launch_plan, an_address_is_leased_after_the_record_and_the_link_is_there_before_the_stage_goes_on) {
  const LaunchPlan plan = planned(simple());
  const std::size_t order[] = {number_of<WriteRecord>(plan),  number_of<LeaseAddress>(plan),
                               number_of<CloneChild>(plan),   number_of<StartNetwork>(plan),
                               number_of<MountOverlay>(plan), number_of<AwaitNetwork>(plan),
                               number_of<HandOver>(plan)};
  for (std::size_t i = 0; i + 1 < std::size(order); ++i)
    cr_assert(0 < order[i] && order[i] < order[i + 1], "step %zu of the list", i + 1);
}

Test(launch_plan, a_container_of_its_own_network_has_neither_address_nor_the_names_of_others) {
  ContainerConfig config = simple();
  config.network = {};
  const LaunchPlan plan = planned(config);
  cr_assert(not host_side_has<LeaseAddress>(plan) && not host_side_has<OpenNames>(plan));
  cr_assert(has<stage::RaiseLoopback>(plan));
  config.network.published = {{"tcp", "", 80, 80, {}}};
  expect_text(refused(config), "a port is published in a network: this container has none");
  config.network.name = "shop";
  config.namespaces.network = false;
  expect_text(refused(config), "a container in the host's network cannot join another one");
}

Test(launch_plan, a_hosts_file_of_the_users_is_not_covered_by_ours) {
  ContainerConfig config = simple();
  config.volumes.push_back({"/srv/hosts", "/etc/hosts", false, true});
  const LaunchPlan plan = planned(config);
  cr_assert(not host_side_has<OpenNames>(plan));
  cr_assert(slots_of(config).count == slots_of(simple()).count);  // one less, one more
}

Test(launch_plan, every_planned_mount_but_the_root_dev_and_volumes_refuses_devices_programs_and_setuid) {
  constexpr std::uint64_t tight = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  const LaunchPlan plan = planned(simple());
  for (const stage::Step& step : plan.stage.steps()) {
    if (const auto* mount = std::get_if<stage::MountNew>(&step); mount && plan.stage.view(mount->type) != "devpts")
      cr_assert((mount->attributes & tight) == tight, "%s", std::string(plan.stage.view(mount->target)).c_str());
    if (const auto* tree = std::get_if<stage::AttachTree>(&step); tree && plan.stage.view(tree->target) != "/dev")
      cr_assert((tree->attributes & tight) == tight, "%s", std::string(plan.stage.view(tree->target)).c_str());
  }
}

Test(launch_plan, what_cannot_be_had_is_refused_and_never_left_out) {
  ContainerConfig config = simple();
  config.argv = {};
  expect_text(refused(config), "no command given, and the image has none");
  config = simple();
  config.layers.assign(128, std::string(64, 'a'));
  expect_text(refused(config), "the image has 128 layers; overlayfs takes 127 in one mount");
  config = simple();
  config.directory = "app";
  expect_text(refused(config), "working directory \"app\" is not an absolute path");
  // A volume there would hide what is masked, and masks what is not there are passed over.
  const struct {
    const char *written, *meant;
  } reserved[] = {{"/", "/"},       {"/proc", "/proc"},          {"//proc/", "/proc"}, {"/proc/sys", "/proc/sys"},
                  {"/sys", "/sys"}, {"/sys/fs//x", "/sys/fs/x"}, {"/dev", "/dev"},     {"/dev/pts", "/dev/pts"}};
  for (const auto& [written, meant] : reserved) {
    config = simple();
    config.volumes.push_back({"/srv", written});
    expect_text(refused(config), cat("a volume cannot be mounted at ", meant));
    config = simple();
    config.tmpfs.push_back({written, 0});
    expect_text(refused(config), cat("a tmpfs cannot be mounted at ", meant));
    config = simple();
    config.own_volumes.emplace_back(written);
    expect_text(refused(config), cat("a volume of the image cannot be mounted at ", meant));
  }
  config = simple();
  config.volumes.push_back({"/srv", "/etc/../proc"});
  expect_text(refused(config), "volume \"/etc/../proc\" has a \"..\" in it");
  config = simple();
  config.env = {"=x"};
  cr_assert(refused(config) != "accepted");
  Host host = modern_host();
  host.kernel = {5, 18};
  cr_assert(refused(simple(), host) != "accepted");
  host = modern_host();
  host.max_user_namespaces = 0;
  cr_assert(refused(simple(), host) != "accepted");
  config = simple();
  config.namespaces.user = false;
  config.capabilities |= security::bit(CAP_MKNOD);
  cr_assert(refused(config).starts_with("MKNOD"));
  config.capabilities = security::kDefaultCapabilities | security::bit(CAP_SYS_PTRACE);
  cr_assert(refused(config).starts_with("SYS_PTRACE"));
  host = modern_host();
  host.cgroups.controllers = {};
  config = simple();
  config.limits.memory_max = 1 << 20;
  cr_assert(refused(config, host).find("memory") != std::string::npos);
}

Test(launch_plan, the_bytes_for_the_stage_hold_what_the_plan_says) {
  const LaunchPlan plan = planned(simple());
  const std::string bytes = plan.stage.bytes(42);
  stage::Head head;
  std::memcpy(&head, bytes.data(), sizeof head);
  cr_assert(head.magic == stage::kMagic && head.size == bytes.size() && head.first_number == 42);
  cr_assert(head.step_count == plan.stage.steps().size());
  cr_assert(head.argv.count == 2 && head.envp.count == 1 && head.adds_home);
  stage::Text first;
  std::memcpy(&first, bytes.data() + head.texts_at + head.argv.at, sizeof first);
  expect_text(std::string_view(bytes.data() + head.texts_at + first.at, first.size), "ls");
  cr_assert(head.pointers_at % alignof(char*) == 0);
  cr_assert(head.pointers_at + (2 + 1 + 4) * sizeof(char*) == head.size);
}

// The whole text of --explain: a change of the plan shows in a diff of this file. After a change that is meant:
// CONVOX_GOLDEN=write build/release/tests/unit/launch_plan
Test(launch_plan, explains_itself_as_the_golden_text_says) {
  const std::string text = cli::explain(planned(simple()), "convox run web ls -la", "");
  const char* path = "tests/golden/run_web_ls.txt";
  const char* mode = std::getenv("CONVOX_GOLDEN");
  if (mode && std::string_view(mode) == "write") {
    UniqueFd file(sys::openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    cr_assert(fs::write_all(file.get(), text, path).has_value());
  }
  const auto golden = fs::read(AT_FDCWD, path, 1 << 20);
  cr_assert(golden.has_value(), "run from the top of the source tree");
  cr_assert(*golden == text, "differs from %s:\n%s", path, text.c_str());
}
