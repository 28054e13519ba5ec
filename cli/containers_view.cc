#include "cli/containers_view.h"

#include "cli/app/app_name.h"
#include "cli/output.h"
#include "runtime/exec_group.h"

namespace convox::cli {

Result<std::string> app_of(const Invocation& invocation) { return app::app_name(invocation.value("app")); }

Result<Containers> open_containers(const Invocation& invocation) {
  runtime::Host host = TRY(runtime::read_host());
  if (host.no_cgroups) return *host.no_cgroups;
  rootfs::Store store = TRY(rootfs::Store::open(invocation.globals.root));
  runtime::Containers records = TRY(runtime::Containers::open(invocation.globals.run, std::move(store)));
  // A command about one process looks at no other; but what killed clients of exec left is one short list.
  const UniqueFd groups = TRY(records.exec_groups());
  if (const Result<> ended = runtime::end_abandoned(groups.get(), host.cgroups); !ended) warn(ended.error().text);
  return Containers{std::move(host), std::move(records)};
}

Result<std::vector<runtime::Listed>> Containers::all() const {
  runtime::Survey survey =
      TRY(runtime::survey_containers(records, host.cgroups), "looking for what a killed convox left");
  if (survey.reaped.error) warn(survey.reaped.error->text);
  for (const std::string& id : survey.broken) warn(cat("container ", id, " has a record that cannot be read"));
  return std::move(survey.all);
}

Result<runtime::Listed> Containers::find(const Invocation& invocation, std::string_view text) const {
  std::string app;
  if (invocation.value("app")) app = TRY(app_of(invocation));
  const auto is_meant = [&](const runtime::Listed& one) { return app.empty() || one.record.app == app; };
  if (auto live = TRY(runtime::find_live(records, std::string(text))); live && is_meant(*live)) return std::move(*live);
  std::vector<runtime::Listed> some = TRY(all());
  std::erase_if(some, [&](const runtime::Listed& one) { return !is_meant(one); });
  return runtime::find_container(some, text);
}

Result<runtime::Listed> Containers::find_or_service(const Invocation& invocation, std::string_view text) const {
  auto found = find(invocation, text);
  if (found || found.error().kind != Error::Kind::kNotFound) return found;
  const std::string app = TRY(app_of(invocation));
  return runtime::find_container(TRY(all()), text, app);
}

}  // namespace convox::cli
