#include "runtime/retention.h"

#include <algorithm>
#include <map>

#include "runtime/log_store.h"

namespace convox::runtime {
namespace {

// Nobody saw when an unwatched one ended: it was alive when it started.
std::int64_t end_of(const Record& record) { return std::max(record.finished, record.started); }

}  // namespace

std::vector<std::string> expired(const std::vector<Listed>& all, std::int64_t now) {
  std::map<std::string_view, std::vector<const Record*>> finished;  // by app
  for (const Listed& one : all)
    if (!one.live && one.record.detached) finished[one.record.app].push_back(&one.record);
  std::vector<std::string> ids;
  for (auto& [app, records] : finished) {
    if (records.size() <= kFinishedKept) continue;
    std::ranges::sort(records, std::greater(), [](const Record* record) { return end_of(*record); });
    for (std::size_t at = kFinishedKept; at < records.size(); ++at)
      if (end_of(*records[at]) <= now - kFinishedKeptSeconds) ids.push_back(records[at]->id);
  }
  return ids;
}

void sweep_finished(const Containers& containers, const cgroups::Hierarchy& hierarchy, std::vector<Listed>& all,
                    std::int64_t now) {
  for (const std::string& id : expired(all, now)) {
    const Result<bool> removed = containers.remove_kept(id, hierarchy);
    if (removed && *removed) std::erase_if(all, [&](const Listed& one) { return one.record.id == id; });
  }
}

Result<> sweep_app(const Containers& containers, const cgroups::Hierarchy& hierarchy, const std::string& app,
                   std::int64_t now) {
  std::vector<Listed> all = TRY(list_containers(containers));
  sweep_finished(containers, hierarchy, all, now);
  TRY(sweep_logs(
      containers.store().path(), app, [&](const std::string& id) { return containers.exists(id); }, kFinishedLogs));
  return ok();
}

}  // namespace convox::runtime
