#include "cli/cmd_apps.h"

#include "cli/app/app_name.h"
#include "cli/app/app_store.h"
#include "cli/app_output.h"
#include "cli/containers_view.h"
#include "cli/output.h"
#include "cli/table.h"
#include "runtime/container_network.h"

namespace convox::cli {
namespace {

// An app here has no other state that Convox has a word for: making and deleting it are one rename each.
constexpr const char* kStatus = "running";

// The name as an argument, or as everywhere else.
Result<std::string> named(const Invocation& invocation) {
  if (!invocation.arguments.empty()) return invocation.arguments[0];
  return app::app_name(invocation.value("app"));
}

Result<int> apps(const Invocation& invocation) {
  const app::AppStore store(invocation.globals.root);
  Table table{"APP", "STATUS", "RELEASE"};
  for (const std::string& name : TRY(store.names())) {
    const app::App app = TRY(store.find(name));
    const std::string active = TRY(app.active());
    table.add({name, kStatus, active});
  }
  TRY(print(table.text()));
  return 0;
}

Result<int> create(const Invocation& invocation) {
  const std::string name = TRY(named(invocation));
  const app::AppStore store(invocation.globals.root);
  const Progress progress;
  TRY(progress.begin(cat("Creating ", name)));
  TRY(store.create(name));
  TRY(progress.done());
  return 0;
}

Result<int> info(const Invocation& invocation) {
  const std::string name = TRY(named(invocation));
  const app::App app = TRY(app::AppStore(invocation.globals.root).find(name));
  Info info;
  info.add("Name", app.name());
  info.add("Status", kStatus);
  info.add("Generation", "2");
  info.add("Locked", "false");
  info.add("Release", TRY(app.active()));
  TRY(print(info.text()));
  return 0;
}

// A process that was started since we looked keeps it.
Result<> forget_network(const std::string& run, const std::string& name) {
  const networks::Store store = TRY(networks::Store::open(run));
  if (TRY(store.find(name))) TRY(runtime::remove_network(store, name));
  return ok();
}

Result<int> remove(const Invocation& invocation) {
  const std::string& name = invocation.arguments[0];
  const app::AppStore store(invocation.globals.root);
  TRY(store.find(name));
  const Containers containers = TRY(open_containers(invocation));
  const std::vector<runtime::Listed> all = TRY(containers.all());
  std::vector<std::string> running;
  for (const runtime::Listed& one : all)  // one whose record cannot be read may be the app's
    if (one.live && (one.record.app == name || one.record.app.empty())) running.push_back(one.record.id);
  if (!running.empty())
    return invalid(cat("app ", name, " has running processes: ", app::join(running, ", "))).advise("end them first");
  const Progress progress;
  TRY(progress.begin(cat("Deleting ", name)));
  for (const runtime::Listed& one : all)  // what is kept of them lies beside the app, not in it
    if (one.record.app == name) TRY(containers.records.remove_kept(one.record.id, containers.host.cgroups));
  TRY(store.remove(name));
  TRY(forget_network(invocation.globals.run, name));
  TRY(progress.done());
  return 0;
}

constexpr Option kAppOnly[] = {kAppOption};

}  // namespace

const Command kApps = {.name = "apps", .arguments = "", .summary = "list apps", .run = apps};

const Command kAppsCreate = {
    .name = "apps create",
    .arguments = "[name]",
    .summary = "create an app",
    .description = "Deploying, building and setting a variable create the app by themselves.",
    .options = kAppOnly,
    .maximum = 1,
    .run = create,
};

const Command kAppsInfo = {
    .name = "apps info",
    .arguments = "[app]",
    .summary = "get information about an app",
    .options = kAppOnly,
    .maximum = 1,
    .run = info,
};

const Command kAppsDelete = {
    .name = "apps delete",
    .arguments = "<app>",
    .summary = "delete an app",
    .description =
        "Deletes its releases, builds and environment, the data in its volumes, its logs, its network and its finished "
        "processes. "
        "It "
        "is refused while a process of the app runs. Images stay in the store.",
    .minimum = 1,
    .maximum = 1,
    .run = remove,
};

}  // namespace convox::cli
