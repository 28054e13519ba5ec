#include "runtime/container_list.h"

#include <errno.h>
#include <sys/file.h>

#include <algorithm>

#include "runtime/base/fs.h"

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

// Nothing is known of it but its id; that is enough to end and remove it.
Listed unreadable(const std::string& id, bool live) {
  Listed one{{}, live};
  one.record.id = id;
  one.record.phase = live ? Phase::kRunning : Phase::kStopped;
  one.record.status = kUnknownStatus;
  one.record.why = "its record cannot be read";
  return one;
}

struct List {
  using Place = Containers::Place;
  std::vector<Listed> all;
  std::vector<std::string> broken;
  std::vector<std::size_t> unsettled;

  void add(const std::string& id, Result<Record> record, Place place) {
    if (!record) {
      broken.push_back(id);
      all.push_back(unreadable(id, place == Place::kHeld));
    } else if (place != Place::kLeft) {  // what is left is reaped, not shown
      if (place == Place::kKept && record->phase != Phase::kStopped) unsettled.push_back(all.size());
      all.push_back({std::move(*record), place == Place::kHeld});
    }
  }

  Result<std::vector<Listed>> settled(const Containers& containers) && {
    // What cannot be written, on a full disk, is known all the same, and written by the next one.
    for (const std::size_t i : unsettled) (void)containers.settle(all[i].record);
    std::ranges::sort(all, is_before);
    return std::move(all);
  }
};

}  // namespace

Result<std::vector<Listed>> list_containers(const Containers& containers, std::vector<std::string>* broken) {
  List list;
  TRY(containers.each([&](const auto& id, auto record, auto place) { list.add(id, std::move(record), place); }));
  if (broken) *broken = list.broken;
  return std::move(list).settled(containers);
}

Result<Survey> survey_containers(const Containers& containers, const cgroups::Hierarchy& hierarchy) {
  List list;
  Survey survey;
  survey.reaped = TRY(containers.survey(
      hierarchy, [&](const auto& id, auto record, auto place) { list.add(id, std::move(record), place); }));
  survey.broken = std::move(list.broken);
  survey.all = TRY(std::move(list).settled(containers));
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
  return invalid(cat("ambiguous process id: ", text, " (", ids, meant.size() > kMostNamed ? ", ..." : "", ")"));
}

Result<std::optional<Listed>> find_live(const Containers& containers, const std::string& id) {
  if (!fs::is_component(id)) return std::optional<Listed>();
  const auto own = containers.directory(id);
  if (!own && own.error().code == ENOENT) return std::optional<Listed>();
  if (!own) return own.error();
  if (sys::flock(own->get(), LOCK_SH | LOCK_NB) != -EWOULDBLOCK) return std::optional<Listed>();
  auto record = containers.peek(id);
  if (!record || !*record) return std::optional(unreadable(id, true));
  return std::optional(Listed{std::move(**record), true});
}

Result<> check_running(const Listed& container) {
  const Record& record = container.record;
  if (container.live && record.phase == Phase::kRunning && record.why.empty()) return ok();
  if (container.live && !record.why.empty()) return invalid(cat("process ", record.id, ": ", record.why));
  if (container.live) return invalid(cat("process ", record.id, " is not running (it is ", name(record.phase), ")"));
  if (!record.why.empty()) return invalid(cat("process ", record.id, " is not running (", record.why, ")"));
  const std::string how =
      record.signal != 0 ? cat("it was ended by signal ", record.signal) : cat("it exited with status ", record.status);
  return invalid(cat("process ", record.id, " is not running (", how, ")"));
}

}  // namespace convox::runtime
