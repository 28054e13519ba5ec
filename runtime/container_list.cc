#include "runtime/container_list.h"

#include <fcntl.h>

#include <algorithm>

#include "runtime/host.h"

namespace convox::runtime {
namespace {

constexpr std::size_t kShortestPrefix = 3;
constexpr std::size_t kMostNamed = 5;

bool is_before(const Listed& a, const Listed& b) {
  return std::tie(a.record.app, a.record.service, a.record.started, a.record.id) <
         std::tie(b.record.app, b.record.service, b.record.started, b.record.id);
}

// Oldest first.
std::optional<Listed> running_of_service(const std::vector<Listed>& all, std::string_view app,
                                         std::string_view service) {
  const Listed* oldest = nullptr;
  for (const Listed& one : all) {
    if (!one.live || one.record.phase != Phase::kRunning) continue;
    if (one.record.app != app || one.record.service != service) continue;
    if (!oldest || one.record.started < oldest->record.started) oldest = &one;
  }
  return oldest ? std::optional(*oldest) : std::nullopt;
}

Containers::See collect(std::vector<Listed>& all, std::vector<std::string>& broken) {
  return [&](const std::string& id, Result<Record> record, bool live) {
    if (record)
      all.push_back({std::move(*record), live});
    else
      broken.push_back(id);
  };
}

// A record without a holder is the last that was written, not the last that happened.
Result<> settle(std::vector<Listed>& all) {
  const std::string boot_id = TRY(read_boot_id());
  for (Listed& one : all) {
    if (one.live || one.record.phase == Phase::kStopped) continue;
    one.record.phase = Phase::kStopped;
    one.record.status = kUnknownStatus;
    one.record.why = one.record.boot_id == boot_id ? "keeper killed" : "host rebooted";
  }
  std::ranges::sort(all, is_before);
  return ok();
}

}  // namespace

Result<std::vector<Listed>> list_containers(const Containers& containers, std::vector<std::string>* broken) {
  std::vector<Listed> all;
  std::vector<std::string> unreadable;
  TRY(containers.each(collect(all, broken ? *broken : unreadable)));
  TRY(settle(all));
  return all;
}

Result<Survey> survey_containers(const Containers& containers, const cgroups::Hierarchy& hierarchy) {
  Survey survey;
  survey.reaped = TRY(containers.survey(hierarchy, collect(survey.all, survey.broken)));
  TRY(settle(survey.all));
  return survey;
}

Result<Listed> find_container(const std::vector<Listed>& all, std::string_view text,
                              std::optional<std::string_view> service_of) {
  std::vector<const Listed*> meant;
  for (const Listed& one : all) {
    if (one.record.id == text) return one;
    if (text.size() >= kShortestPrefix && one.record.id.starts_with(text)) meant.push_back(&one);
  }
  if (meant.size() == 1) return *meant[0];
  if (service_of)
    if (auto found = running_of_service(all, *service_of, text)) return std::move(*found);
  if (meant.empty()) return not_found(cat("no such process: ", text));
  std::string ids;
  for (std::size_t i = 0; i < meant.size() && i < kMostNamed; ++i) ids += cat(i ? ", " : "", meant[i]->record.id);
  return invalid(cat("process id ", text, " is ambiguous: ", ids, meant.size() > kMostNamed ? ", ..." : ""));
}

Result<> check_running(const Listed& container) {
  const Record& record = container.record;
  if (container.live && record.phase == Phase::kRunning) return ok();
  if (container.live) return invalid(cat("process ", record.id, " is not running (it is ", name(record.phase), ")"));
  if (!record.why.empty()) return invalid(cat("process ", record.id, " is not running (", record.why, ")"));
  const std::string how =
      record.signal != 0 ? cat("it was ended by signal ", record.signal) : cat("it exited with status ", record.status);
  return invalid(cat("process ", record.id, " is not running (", how, ")"));
}

}  // namespace convox::runtime
