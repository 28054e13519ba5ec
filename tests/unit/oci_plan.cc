// What a create and an exec will do: which steps, in which order, and what is refused.
#include <criterion/criterion.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "runtime/oci/plan.h"
#include "runtime/oci/stage_plan.h"
#include "runtime/oci/words.h"
#include "tests/unit/expect.h"
#include "tests/unit/modern_host.h"
#include "tests/unit/oci_documents.h"

using namespace convox;
using namespace convox::oci;
using runtime::Host;
using runtime::modern_host;

namespace {

Wishes wishes() {
  Wishes wishes;
  wishes.id = "c1";
  wishes.bundle = "/bundle";
  return wishes;
}

bool is_etc_hosts(const std::string& path) { return path.ends_with("hosts"); }

Plan planned(Config config, Wishes asked = wishes(), const Host& host = modern_host()) {
  auto plan = plan_create(std::move(config), std::move(asked), host, "filter__", is_etc_hosts);
  cr_assert(plan.has_value(), "%s", plan ? "" : plan.error().text.c_str());
  return *std::move(plan);
}

std::string refused(Config config, Wishes asked = wishes(), const Host& host = modern_host()) {
  auto plan = plan_create(std::move(config), std::move(asked), host, "filter__", is_etc_hosts);
  return plan ? "accepted" : plan.error().text;
}

template <class Step>
std::size_t place(const Plan& plan, std::size_t occurrence = 0) {
  for (std::size_t i = 0; i < plan.stage.steps().size(); ++i)
    if (std::holds_alternative<Step>(plan.stage.steps()[i]) && occurrence-- == 0) return i;
  return std::size_t(-1);
}
template <class Step>
const Step& step(const Plan& plan, std::size_t occurrence = 0) {
  const std::size_t at = place<Step>(plan, occurrence);
  cr_assert(at != std::size_t(-1), "the plan has no such step");
  return std::get<Step>(plan.stage.steps()[at]);
}
template <class Step>
bool has(const Plan& plan) {
  return place<Step>(plan) != std::size_t(-1);
}

std::vector<HostStep> host_steps(const Plan& plan) {
  std::vector<HostStep> all = plan.before;
  all.insert(all.end(), plan.meanwhile.begin(), plan.meanwhile.end());
  return all;
}
template <class Step>
std::size_t host_place(const Plan& plan, std::size_t occurrence = 0) {
  const std::vector<HostStep> all = host_steps(plan);
  for (std::size_t i = 0; i < all.size(); ++i)
    if (std::holds_alternative<Step>(all[i]) && occurrence-- == 0) return i;
  return std::size_t(-1);
}
template <class Step>
bool host_has(const Plan& plan) {
  return host_place<Step>(plan) != std::size_t(-1);
}
template <class Step>
Step host_step(const Plan& plan, std::size_t occurrence = 0) {
  const std::size_t at = host_place<Step>(plan, occurrence);
  cr_assert(at != std::size_t(-1), "the plan has no such step");
  return std::get<Step>(host_steps(plan)[at]);
}

Mount mount(std::string type, std::string target, std::string source = "none") {
  Mount made;
  made.type = std::move(type);
  made.destination = std::move(target);
  made.source = std::move(source);
  return made;
}
Mount bind(std::string source, std::string target) {
  Mount made = mount("bind", std::move(target), std::move(source));
  made.bind = made.recursive = true;
  return made;
}

Config simple() {
  Config config = config_of(document());
  config.mounts = {mount("proc", "/proc"), mount("tmpfs", "/dev"), mount("devpts", "/dev/pts")};
  return config;
}

}  // namespace

Test(oci_plan, the_state_is_the_first_deed_and_the_clone_ends_the_first_part) {
  const Plan plan = planned(simple());
  cr_assert(std::holds_alternative<WriteState>(plan.before.front()));
  cr_assert(std::holds_alternative<CloneChild>(plan.before.back()));
  cr_assert(host_place<StateCreated>(plan) < host_place<HandOver>(plan));
}

Test(oci_plan, the_stage_does_things_in_the_order_that_leaves_no_gap) {
  Config config = simple();
  Mount data = mount("tmpfs", "/data");
  data.set = MOUNT_ATTR_RDONLY;
  config.mounts.push_back(data);
  config.root_read_only = true;
  config.sysctl = {{"net.ipv4.ip_forward", "1"}};
  config.masked_paths = {"/proc/kcore"};
  config.read_only_paths = {"/proc/sys"};
  config.hostname = "web";
  config.hooks.prestart = {{"/bin/true", {"true"}, {}, 0}};
  config.hooks.create_container = {{"/bin/true", {"true"}, {}, 0}};
  config.hooks.start_container = {{"/bin/true", {"true"}, {}, 0}};
  config.process->cwd = "/srv";
  config.process->no_new_privileges = true;
  config.process->rlimits = {{RLIMIT_NOFILE, 16, 16}};
  const Plan plan = planned(config);
  using namespace stage;
  const std::size_t order[] = {place<StartSession>(plan),
                               place<NewKeyring>(plan),
                               place<UnshareMounts>(plan),
                               place<SetHostname>(plan),
                               place<Receive>(plan),
                               place<AttachRoot>(plan),
                               place<MountNew>(plan),
                               place<stage::AwaitHooks>(plan),
                               place<RunHook>(plan),
                               place<PivotRoot>(plan),
                               place<stage::MakeDirectory>(plan),
                               place<WriteSysctl>(plan),
                               place<MakeReadOnly>(plan),
                               place<ReadOnly>(plan),
                               place<Mask>(plan),
                               place<ReadOnlyRoot>(plan),
                               place<SetLimit>(plan),
                               place<NoNewPrivileges>(plan),
                               place<DropBounding>(plan),
                               place<BecomeUser>(plan),
                               place<SetCapabilities>(plan),
                               place<FindCommand>(plan),
                               place<Verify>(plan),
                               place<Gate>(plan),
                               place<RunHook>(plan, 1),
                               place<CloseOnExec>(plan),
                               place<LoadFilter>(plan),
                               place<Execute>(plan)};
  for (std::size_t i = 0; i + 1 < std::size(order); ++i)
    cr_assert(order[i] < order[i + 1], "step %zu of the list", i + 1);
}

Test(oci_plan, run_has_no_gate_and_waits_for_the_command_itself) {
  Wishes asked = wishes();
  asked.gate = false;
  const Plan plan = planned(simple(), asked);
  cr_assert(not(has<stage::Gate>(plan)));
  cr_assert(not(host_has<MakeGate>(plan)));
  cr_assert(host_has<AwaitPayload>(plan));
  cr_assert(host_has<AwaitCreated>(planned(simple())));
}

// What the stage receives is what the host side sends: one slot for each step that opens something, in their order.
Test(oci_plan, slots_stand_in_the_order_in_which_the_host_side_opens_them) {
  Config config = simple();
  config.mounts.push_back(bind("/srv", "/srv"));
  config.mounts.push_back(bind("/var/hosts", "/etc/hosts"));
  config.hooks.start_container = {{"/bin/true", {"true"}, {}, 0}};
  const Plan plan = planned(config);
  cr_assert(host_place<OpenRoot>(plan) < host_place<MakeDevices>(plan));
  cr_assert(host_place<MakeDevices>(plan) < host_place<OpenBind>(plan));
  cr_assert_eq(step<stage::AttachRoot>(plan).tree.index, 0U);
  cr_assert_eq(step<stage::AttachTree>(plan, 0).tree.index, 1U);  // /dev
  cr_assert_eq(step<stage::AttachTree>(plan, 1).tree.index, 2U);
  cr_assert_eq(step<stage::AttachTree>(plan, 2).tree.index, 3U);
  cr_assert(step<stage::AttachTree>(plan, 1).kind == stage::Target::kDirectory);
  cr_assert(step<stage::AttachTree>(plan, 2).kind == stage::Target::kFile);
  cr_assert_eq(step<stage::RunHook>(plan).state.index, 4U);
  cr_assert_eq(step<stage::Gate>(plan).socket.index, 6U);
  cr_assert_eq(step<stage::Receive>(plan).slots, 7U);
}

Test(oci_plan, a_dev_that_is_the_hosts_is_left_alone) {
  Config config = simple();
  config.mounts[1] = bind("/dev", "/dev");
  const Plan plan = planned(config);
  cr_assert(not(host_has<MakeDevices>(plan)));
  cr_assert(not(has<stage::MakeNode>(plan)));
  cr_assert(not(has<stage::MakeLink>(plan)));
}

Test(oci_plan, without_a_mount_at_dev_the_nodes_are_made_in_the_root) {
  Config config = simple();
  config.mounts.erase(config.mounts.begin() + 1);
  const Plan plan = planned(config);
  expect_text(std::string(plan.stage.view(step<stage::MakeNode>(plan).path)), "/dev/null");
  cr_assert_eq(step<stage::MakeNode>(plan).mode, std::uint32_t{S_IFCHR | 0666});
  cr_assert(has<stage::MakeLink>(plan));
}

Test(oci_plan, where_nodes_cannot_be_made_the_hosts_are_shown) {
  Host host = modern_host();
  host.initial_user_namespace = false;
  const Plan plan = planned(simple(), wishes(), host);
  cr_assert(not(host_has<MakeDevices>(plan)));
  expect_text(host_step<OpenNode>(plan).device.path, "/dev/null");
  cr_assert(has<stage::MakeLink>(plan));
  cr_assert(not(has<stage::MakeNode>(plan)));
}

Test(oci_plan, a_mount_at_a_devices_place_stands_in_for_it) {
  Host host = modern_host();
  host.initial_user_namespace = false;
  Config config = simple();
  config.mounts.push_back(bind("/dev/null", "/dev//null"));
  const Plan plan = planned(std::move(config), wishes(), host);
  for (const HostStep& step : host_steps(plan))
    if (const auto* node = std::get_if<OpenNode>(&step)) cr_expect(node->device.path != "/dev/null");
  expect_text(host_step<OpenNode>(plan).device.path, "/dev/zero");
}

Test(oci_plan, what_a_dev_of_the_hosts_has_mounted_in_it_may_be_covered_and_so_may_a_place_named_twice) {
  Config config = simple();
  config.mounts = {bind("/dev", "/dev"), mount("devpts", "/dev/pts"), mount("tmpfs", "/run"), bind("/srv", "/run")};
  const Plan plan = planned(config);
  cr_expect_eq(step<stage::AttachTree>(plan, 0).kind, stage::Target::kDirectory);
  cr_expect_eq(step<stage::MountNew>(plan, 0).kind, stage::Target::kPlainDirectory);
  cr_expect_eq(step<stage::MountNew>(plan, 1).kind, stage::Target::kDirectory);
  cr_expect_eq(step<stage::AttachTree>(plan, 1).kind, stage::Target::kPlainDirectory);
}

Test(oci_plan, sysfs_without_a_network_of_its_own_is_the_hosts_in_a_user_namespace_only) {
  Config config = linux_of(R"("namespaces": [{"type": "mount"}, {"type": "pid"}])");
  config.mounts = {mount("sysfs", "/sys")};
  cr_assert(not(host_has<OpenBind>(planned(config))));
  Host nested = modern_host();
  nested.initial_user_namespace = false;
  const OpenBind shown = host_step<OpenBind>(planned(config, wishes(), nested));
  expect_text(shown.mount.source, "/sys");
  cr_assert(shown.mount.recursive);
}

Test(oci_plan, a_cgroup_mount_shows_its_own_group_alone) {
  Config config = simple();
  config.mounts = {mount("cgroup", "/sys/fs/cgroup")};
  const Plan fresh = planned(config);
  expect_text(std::string(fresh.stage.view(step<stage::MountNew>(fresh).type)), "cgroup2");
  std::erase_if(config.namespaces, [](const Namespace& one) { return one.kind == Kind::kCgroup; });
  const OpenBind bound = host_step<OpenBind>(planned(config));
  expect_text(bound.mount.type, "cgroup");
  cr_assert(not(bound.mount.recursive));
}

Test(oci_plan, nothing_is_mounted_inside_of_proc_but_what_lxcfs_shows) {
  Config config = simple();
  config.mounts.push_back(bind("/tmp/x", "/proc/../proc/self/attr"));
  expect_text(refused(config), "\"/proc/self/attr\" cannot be mounted because it is inside /proc");
  config.mounts.back().destination = "/proc/uptime";
  expect_text(refused(config), "accepted");
  config.mounts.back() = mount("tmpfs", "/proc");
  expect_text(refused(config), "\"/proc\" cannot be mounted because it is not of type proc");
  config.mounts.back() = bind("/srv", "/");
  cr_assert(refused(config).ends_with("over the root of the container"));
}

Test(oci_plan, a_read_only_tmpfs_is_writable_until_all_in_it_is_made) {
  Config config = simple();
  config.mounts[1].set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
  const Plan plan = planned(config);
  cr_assert_eq(host_step<MakeDevices>(plan).mount.set, std::uint64_t{MOUNT_ATTR_NOSUID});
  expect_text(std::string(plan.stage.view(step<stage::MakeReadOnly>(plan).target)), "/dev");
}

Test(oci_plan, a_user_namespace_is_joined_last_by_who_has_rights_and_first_by_who_has_none) {
  Config config = linux_of(
      R"("namespaces": [{"type": "mount"}, {"type": "user", "path": "/u"}, {"type": "network", "path": "/n"}])");
  const CloneChild with = host_step<CloneChild>(planned(config));
  cr_assert(with.joined.size() == 2 && with.joined[1].kind == Kind::kUser);
  cr_assert(with.awaits_maps);
  Host nested = modern_host();
  nested.initial_user_namespace = false;
  const CloneChild without = host_step<CloneChild>(planned(config, wishes(), nested));
  cr_assert(without.joined.size() == 2 && without.joined[0].kind == Kind::kUser);
}

Test(oci_plan, memory_is_limited_only_when_the_stage_has_memory_of_its_own) {
  Config config = simple();
  config.resources.memory_limit = 1 << 20;
  config.resources.pids_limit = 10;
  const Plan plan = planned(config);
  for (const cgroups::FileValue& setting : host_step<MakeCgroup>(plan).settings)
    cr_assert(setting.file != "memory.max");
  cr_assert(host_place<AwaitStage>(plan) < host_place<LimitMemory>(plan));
}

Test(oci_plan, a_cgroup_may_be_lacking_only_where_nothing_was_asked_of_it) {
  Wishes asked = wishes();
  asked.rootless = true;
  Config config = simple();
  cr_assert(host_step<MakeCgroup>(planned(config, asked)).may_lack);
  cr_assert(not(host_step<MakeCgroup>(planned(config)).may_lack));
  config.resources.pids_limit = 10;
  cr_assert(not(host_step<MakeCgroup>(planned(config, asked)).may_lack));
  asked.driver = CgroupDriver::kDisabled;
  cr_assert(not(host_has<MakeCgroup>(planned(config, asked))));
}

Test(oci_plan, cgroups_path_is_below_the_root_and_a_scope_has_three_parts) {
  Config config = simple();
  config.cgroups_path = "/a/../../b/./c";
  expect_text(host_step<MakeCgroup>(planned(config)).path, "b/c");
  config.cgroups_path = "";
  expect_text(host_step<MakeCgroup>(planned(config)).path, "c1");
  Wishes asked = wishes();
  asked.driver = CgroupDriver::kSystemd;
  expect_text(host_step<MakeCgroup>(planned(config, asked)).path, "system.slice:convox:c1");
  config.cgroups_path = "/a/b";
  cr_assert(refused(config, asked).ends_with("as the systemd driver wants it"));
}

Test(oci_plan, without_no_new_privs_the_filter_is_loaded_by_who_may_and_still_last) {
  Config config = simple();
  const Plan plan = planned(config);
  cr_assert(step<stage::LoadFilter>(plan).as_admin);
  cr_assert(step<stage::SetCapabilities>(plan).for_filter);
  cr_assert(place<stage::Gate>(plan) < place<stage::LoadFilter>(plan));
  config.process->no_new_privileges = true;
  cr_assert(not(step<stage::LoadFilter>(planned(config)).as_admin));
}

Test(oci_plan, capabilities_that_cannot_be_had_are_not_asked_for) {
  Capabilities asked;
  asked.bounding = asked.permitted = asked.effective = asked.inheritable = ~0ULL;
  asked.ambient = security::bit(CAP_CHOWN);
  Host host = modern_host();
  host.bounding_capabilities = security::bit(CAP_CHOWN) | security::bit(CAP_KILL);
  const Capabilities had = obtainable(asked, false, host);
  cr_assert_eq(had.bounding, host.bounding_capabilities);
  cr_assert_eq(had.permitted, host.bounding_capabilities);
  cr_assert_eq(had.ambient, security::bit(CAP_CHOWN));
  cr_assert_eq(obtainable(asked, true, host).bounding, security::all_capabilities(40));
}

Test(oci_plan, of_several_values_of_a_variable_the_last_one_counts) {
  Config config = simple();
  config.process->env = {"A=1", "PATH=/bin", "A=2", "HOME="};
  Wishes asked = wishes();
  asked.preserved = asked.listening = 2;
  asked.listening_names = "a:b";
  asked.notify_socket = "/run/systemd/notify";
  const Plan plan = planned(config, asked);
  const std::vector<std::string> wanted = {"A=2",          "PATH=/bin",    "NOTIFY_SOCKET=/run/notify/notify.sock",
                                           "LISTEN_FDS=2", "LISTEN_PID=1", "LISTEN_FDNAMES=a:b"};
  cr_assert(plan.stage.env == wanted);
  cr_assert(plan.stage.adds_home);
  cr_assert_eq(step<stage::CloseOnExec>(plan).preserved, 2U);
}

Test(oci_plan, a_sysctl_is_a_path_whichever_separator_it_uses) {
  expect_text(sysctl_path("net.ipv4.ip_forward"), "sys/net/ipv4/ip_forward");
  expect_text(sysctl_path("net/ipv4/conf/eth0.1/forwarding"), "sys/net/ipv4/conf/eth0.1/forwarding");
  expect_text(sysctl_path("net.ipv4.conf.eth0/1.forwarding"), "sys/net/ipv4/conf/eth0.1/forwarding");
}

Test(oci_plan, the_root_is_where_hooks_look_for_it) {
  Config config = simple();
  cr_assert_eq(step<stage::AttachRoot>(planned(config)).at.size, 0U);
  config.hooks.create_runtime = {{"/bin/true", {"true"}, {}, 0}};
  const Plan plan = planned(config);
  expect_text(std::string(plan.stage.view(step<stage::AttachRoot>(plan).at)), "/bundle/rootfs");
  cr_assert(step<stage::Verify>(plan).mounts == stage::Verify::Mounts::kAtLeast);
  cr_assert(not(host_step<RunHooks>(plan).created));
}

Test(oci_plan, a_container_without_a_mount_namespace_is_refused) {
  cr_assert(refused(linux_of(R"("namespaces": [{"type": "pid"}])")).starts_with("linux.namespaces has no mount"));
}

Test(oci_plan, an_exec_joins_and_neither_mounts_nor_waits_at_a_gate) {
  const Config config = simple();
  auto plan = plan_exec(config, *config.process, {.id = "c1"}, CLONE_NEWPID, modern_host(), "filter__");
  cr_assert(plan.has_value());
  cr_assert(std::holds_alternative<CloneInto>(plan->before.back()));
  cr_assert(has<stage::EnterRoot>(*plan));
  cr_assert(not(has<stage::PivotRoot>(*plan)));
  cr_assert(not(has<stage::Gate>(*plan)));
  cr_assert(place<stage::TakeUser>(*plan) < place<stage::BecomeUser>(*plan));
  cr_assert(step<stage::Verify>(*plan).mounts == stage::Verify::Mounts::kUnknown);
}

Test(oci_plan, a_command_that_is_missing_is_told_in_the_words_that_engines_look_for) {
  expect_text(command_error("x", Errno(-ENOENT)).text, "exec: \"x\": executable file not found in $PATH");
  expect_text(command_error("/x", Errno(-ENOENT)).text, "exec: \"/x\": stat /x: no such file or directory");
  expect_text(command_error("/x", Errno(-EACCES)).text, "exec /x: permission denied");
}
