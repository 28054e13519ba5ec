#include "cli/cmd_inspect.h"

#include <cerrno>

#include "cli/containers_view.h"
#include "cli/inspect_view.h"
#include "cli/output.h"
#include "runtime/networks/machine.h"
#include "runtime/security/seccomp.h"

namespace convox::cli {
namespace {

// The plan is made again from the config that was launched: planning is a pure function of it and of this host.
Result<runtime::LaunchPlan> plan_again(const Containers& containers, const std::string& id) {
  const runtime::ContainerConfig config = TRY(containers.records.config(id));
  const UniqueFd cache = TRY(containers.records.filter_cache());
  std::string filter;
  if (config.seccomp) filter = TRY(security::filter_program(config.capabilities, cache.get()));
  return runtime::plan_launch(config, containers.host, filter);
}

// Nothing of one that has ended, or is in no network.
Result<std::optional<networks::Lease>> lease_of(const Containers& containers, const std::string& id) {
  const auto own = containers.records.directory(id);
  if (!own && own.error().code == ENOENT) return std::optional<networks::Lease>();
  if (!own) return own.error();
  const networks::Store store = TRY(networks::Store::open(containers.records.run_path()));
  return store.leased(own->get(), id);
}

Result<Inspected> look_at(const Containers& containers, const runtime::Listed& container) {
  const runtime::Record& record = container.record;
  Inspected one;
  one.container = container;
  one.cgroup = cat(containers.host.cgroups.mount_point, "/", record.cgroup);
  auto plan = plan_again(containers, record.id);
  if (!plan && plan.error().code != ENOENT) return std::move(plan).error().under("its config");
  if (plan) one.plan = std::move(*plan);
  auto files = runtime::read_cgroup_files(containers.host.cgroups, record.cgroup);
  if (!files && files.error().kind != Error::Kind::kNotFound) return std::move(files).error();
  if (files) one.cgroup_files = std::move(*files);
  one.lease = TRY(lease_of(containers, record.id));
  if (one.lease) one.prefix = TRY(networks::ipv6_prefix());
  if (runtime::check_running(container)) {
    const auto process = TRY(runtime::open_process(container, containers.host.cgroups));
    one.facts = TRY(runtime::read_facts(process, record.id));
  }
  return one;
}

Result<int> inspect(const Invocation& invocation) {
  const Containers containers = TRY(open_containers(invocation));
  std::vector<Inspected> all;
  for (const std::string& word : invocation.arguments) {
    const runtime::Listed container = TRY(containers.find_or_service(invocation, word));
    all.push_back(TRY(look_at(containers, container), "inspecting process ", container.record.id));
  }
  TRY(print(inspection(all)));
  return 0;
}

constexpr Option kAppOnly[] = {kAppOption};

}  // namespace

const Command kInspect = {
    .name = "inspect",
    .arguments = "<process or service>...",
    .summary = "tell everything about a process, as JSON",
    .description =
        "Prints a list with an object for each process: its record, what was asked for (config)\n"
        "and the steps that made it (plan, as `run --explain` shows them); and what the kernel\n"
        "says of it: namespaces with their inode numbers, mounts, capabilities, limits, seccomp\n"
        "mode and the files of its cgroup. What is not known any more, once it has ended, is null.",
    .options = kAppOnly,
    .minimum = 1,
    .maximum = Command::kAny,
    .run = inspect};

}  // namespace convox::cli
