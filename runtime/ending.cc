#include "runtime/ending.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>

#include "runtime/base/fs.h"

namespace convox::runtime {
namespace {

using namespace std::chrono_literals;

constexpr const char* kExitName = "exit";
constexpr std::int64_t kNanoseconds = 1'000'000'000;
constexpr std::int64_t kLongEnough = 10;  // seconds

}  // namespace

Result<> prepare_exit(int storage) {
  const UniqueFd file = TRY(fs::open_beneath(storage, kExitName, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  const log::Exit none;
  return fs::write_all(file.get(), {reinterpret_cast<const char*>(&none), sizeof none}, kExitName);
}

Result<UniqueFd> open_exit(int storage) { return fs::open_beneath(storage, kExitName, O_RDONLY); }

Result<std::optional<log::Exit>> read_exit(int storage) {
  const auto file = open_exit(storage);
  if (!file && file.error().code == ENOENT) return std::optional<log::Exit>();
  if (!file) return file.error();
  return exit_in(*file);
}

Result<std::optional<log::Exit>> exit_in(const UniqueFd& file) {
  log::Exit exit;
  const long got = TRY(check(sys::pread(file.get(), &exit, sizeof exit, 0), "pread", kExitName));
  if (got != sizeof exit || exit.magic != log::kExitMagic) return std::optional<log::Exit>();
  return std::optional(exit);
}

void note_ending(Record& record, const std::optional<log::Exit>& exit) {
  record.phase = Phase::kStopped;
  if (!exit) {
    record.status = kUnknownStatus;
    record.signal = 0;
    record.why = "keeper killed";
    return;
  }
  record.why.clear();
  record.signal = exit->signal;
  record.status = exit->signal != 0 ? 128 + exit->signal : exit->code;
  record.out_of_memory = exit->oom_kills > 0 && exit->signal == 9;
  record.finished = exit->time / kNanoseconds;
  if (exit->timed_out) record.why = "it ran longer than --timeout";
}

Result<RestartPolicy> parse_restart(std::string_view text) {
  using When = RestartPolicy::When;
  if (text == "no" || text.empty()) return RestartPolicy{};
  if (text == "always") return RestartPolicy{When::kAlways, 0};
  constexpr std::string_view name = "on-failure";
  if (text == name) return RestartPolicy{When::kOnFailure, 0};
  RestartPolicy policy{When::kOnFailure, 0};
  if (text.starts_with(name) && text[name.size()] == ':') {
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + name.size() + 1, end, policy.most);
    if (parsed.ec == std::errc() && parsed.ptr == end && policy.most > 0) return policy;
  }
  return invalid(cat("--restart \"", text, "\": no, on-failure, on-failure:N or always"));
}

bool lasted(const Record& record) { return record.finished - record.started >= kLongEnough; }

std::optional<std::chrono::milliseconds> restart_after(const Record& record) {
  const auto policy = parse_restart(record.restart);
  if (!policy || policy->when == RestartPolicy::When::kNever) return std::nullopt;
  if (policy->when == RestartPolicy::When::kOnFailure) {
    if (record.status == 0) return std::nullopt;
    if (policy->most > 0 && record.restarts >= policy->most) return std::nullopt;
  }
  const int doublings = lasted(record) ? 0 : std::min(record.streak, 10);
  return std::min<std::chrono::milliseconds>(100ms * (1 << doublings), 60s);
}

}  // namespace convox::runtime
