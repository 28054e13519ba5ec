#include "runtime/log_store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "runtime/base/fs.h"
#include "runtime/base/json.h"
#include "runtime/base/words.h"

namespace convox::runtime {
namespace {

using log::Kind;
using log::RecordHead;
using log::SegmentHead;

constexpr int kVersion = 1;
constexpr std::string_view kOrigin = "process.json";
constexpr std::string_view kSuffix = ".log";

std::string file_name(std::uint32_t number) {
  const std::string digits = cat(number);
  return cat(std::string(8 - std::min<std::size_t>(digits.size(), 8), '0'), digits, kSuffix);
}

// The numbers of the segments in `directory`, ascending.
Result<std::vector<std::uint32_t>> segments(int directory) {
  std::vector<std::uint32_t> numbers;
  for (const std::string& name : TRY(fs::list(directory)))
    if (const auto found =
            number(std::string_view(name).substr(0, name.size() - std::min(name.size(), kSuffix.size())));
        found && *found > 0 && *found <= UINT32_MAX && file_name(static_cast<std::uint32_t>(*found)) == name)
      numbers.push_back(static_cast<std::uint32_t>(*found));
  std::ranges::sort(numbers);
  return numbers;
}

// What of a segment is whole.
struct Extent {
  std::uint64_t used = 0;  // up to the end of the last whole record; 0: not even the head
  std::uint64_t written = 0;
  std::int64_t last = 0;
  bool continued = false;
};

Extent measure(const char* bytes, std::size_t size) {
  Extent extent;
  SegmentHead head;
  if (size < sizeof head) return extent;
  std::memcpy(&head, bytes, sizeof head);
  if (head.magic != log::kSegmentMagic || head.version != SegmentHead{}.version) return extent;
  extent.used = sizeof head;
  extent.written = head.written;
  for (RecordHead record; size - extent.used >= sizeof record; extent.used += sizeof record + record.size) {
    std::memcpy(&record, bytes + extent.used, sizeof record);
    const bool known = record.kind >= Kind::kOutput && record.kind <= Kind::kContinued;
    if (record.mark != log::kRecordMark || !known || record.size > log::kLargestRecord) break;
    if (size - extent.used - sizeof record < record.size) break;
    extent.last = record.time;
    extent.continued = record.kind == Kind::kContinued;
  }
  return extent;
}

// Mapped, for most of it is output that nobody looks at here. Nobody else may write now, so it cannot shrink under us,
// which would be a SIGBUS.  mmap(2)
Result<Extent> measure(int directory, std::uint32_t number) {
  const std::string name = file_name(number);
  const UniqueFd file = TRY(fs::open_beneath(directory, name, O_RDONLY));
  struct stat st {};
  TRY(check(sys::newfstatat(file.get(), "", &st, AT_EMPTY_PATH), "stat", name));
  const auto size = static_cast<std::size_t>(st.st_size);
  if (size == 0) return Extent{};
  const long at = sys::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  TRY(check(at < 0 && at > -4096 ? at : 0, "mmap", name));
  const Extent extent = measure(reinterpret_cast<const char*>(at), size);
  sys::munmap(reinterpret_cast<void*>(at), size);
  return extent;
}

// Begins the segment that `tail` names. A file that a crash left without its head is begun again.
Result<LogTail> begin(int directory, LogTail tail) {
  const std::string name = file_name(tail.number);
  tail.segment = TRY(fs::open_beneath(directory, name, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  const SegmentHead head{.number = tail.number, .written = tail.written};
  TRY(fs::write_all(tail.segment.get(), {reinterpret_cast<const char*>(&head), sizeof head}, name));
  tail.used = sizeof head;
  return tail;
}

// Opens the segment that `tail` names and cuts off what is not whole.
Result<LogTail> go_on(int directory, LogTail tail, const Extent& extent) {
  const std::string name = file_name(tail.number);
  tail.segment = TRY(fs::open_beneath(directory, name, O_WRONLY));
  TRY(check(sys::ftruncate(tail.segment.get(), static_cast<long>(extent.used)), "ftruncate", name));
  TRY(check(sys::lseek(tail.segment.get(), static_cast<long>(extent.used), SEEK_SET), "lseek", name));
  tail.used = extent.used;
  tail.written = extent.written;
  tail.last = std::max(tail.last, extent.last);
  return tail;
}

std::int64_t now() {
  timespec time{};
  sys::clock_gettime(CLOCK_REALTIME, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// SegmentHead::written of the segment behind this one.
std::uint64_t behind(const Extent& extent) {
  return extent.written + extent.used - std::min(extent.used, std::uint64_t{sizeof(SegmentHead)});
}

// ROOT/apps/APP/logs, or ENOENT.
Result<UniqueFd> open_logs(const std::string& root, const std::string& app) {
  if (!fs::is_component(app)) return invalid(cat("\"", app, "\" is no name of an app"));
  const UniqueFd top = TRY(fs::open(root, O_PATH | O_DIRECTORY));
  return fs::open_beneath(top.get(), cat("apps/", app, "/logs"), O_RDONLY | O_DIRECTORY);
}

}  // namespace

std::string print(const Origin& origin) {
  json::Buffer buffer;
  json::Writer writer(buffer);
  const auto member = [&](const char* key, std::string_view text) {
    writer.Key(key);
    json::write(writer, text);
  };
  writer.StartObject();
  writer.Key("version");
  writer.Int(kVersion);
  member("id", origin.id);
  member("app", origin.app);
  member("service", origin.service);
  member("release", origin.release);
  writer.Key("command");
  json::write_bytes(writer, origin.command);
  writer.Key("started");
  writer.Int64(origin.started);
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

Result<Origin> parse_origin(std::string_view text) {
  const json::Document document = TRY(json::parse(text, kOrigin));
  if (TRY(json::integer(document, "version")).value_or(0) != kVersion)
    return invalid(cat(kOrigin, ": unknown version"));
  Origin origin;
  for (const auto& [key, member] : {std::pair{"id", &Origin::id},
                                    {"app", &Origin::app},
                                    {"service", &Origin::service},
                                    {"release", &Origin::release}})
    origin.*member = TRY(json::string(document, key)).value_or("");
  origin.command = TRY(json::bytes_list(document, "command"));
  origin.started = TRY(json::integer(document, "started")).value_or(0);
  return origin;
}

Result<UniqueFd> make_log_directory(const std::string& root, const Origin& origin) {
  UniqueFd directory = TRY(fs::open_private_directory(root));
  for (const std::string& name : {std::string("apps"), origin.app, std::string("logs"), origin.id}) {
    if (!fs::is_component(name)) return invalid(cat("\"", name, "\" is no name of a directory"));
    directory = TRY(fs::make_and_open_directory(directory.get(), name, 0700), "logs of ", origin.id);
  }
  const std::string file(kOrigin);
  if (const long there = sys::faccessat2(directory.get(), file.c_str(), F_OK, AT_SYMLINK_NOFOLLOW); there == -ENOENT)
    TRY(fs::replace(directory.get(), file, print(origin), 0600, fs::Durable::kYes), "logs of ", origin.id);
  else
    TRY(check(there, "faccessat2", file), "logs of ", origin.id);
  return directory;
}

Result<UniqueFd> open_log_directory(const std::string& root, const std::string& app, const std::string& id) {
  if (!fs::is_component(id)) return invalid(cat("\"", id, "\" is no id"));
  const UniqueFd logs = TRY(open_logs(root, app));
  return fs::open_beneath(logs.get(), id, O_RDONLY | O_DIRECTORY);
}

// A keeper begins a segment before it says so at the end of the one before (keeper/log.cc), and so may have died
// between the two: then the word is missing, and is put there now.
Result<LogTail> open_log_tail(int directory) {
  const std::vector<std::uint32_t> all = TRY(segments(directory));
  if (all.empty()) return begin(directory, {.number = 1, .oldest = 1});
  LogTail at{.number = all.back(), .oldest = all.front()};
  if (all.size() > 1) {
    const std::uint32_t number = all[all.size() - 2];
    Extent before = TRY(measure(directory, number));
    if (before.used > 0 && !before.continued) {
      LogTail tail = TRY(go_on(directory, {.number = number}, before));
      TRY(append(tail, Kind::kContinued, {}));
      before.used = tail.used;
      before.last = tail.last;
    }
    at.written = behind(before);
    at.last = before.last;
  }
  const Extent newest = TRY(measure(directory, at.number));
  if (newest.used == 0) return begin(directory, std::move(at));
  if (!newest.continued) return go_on(directory, std::move(at), newest);
  ++at.number;
  at.last = newest.last;
  at.written = behind(newest);
  return begin(directory, std::move(at));
}

// One write: what a crash or a full disk leaves of it is no whole record, and whoever writes next begins there.
Result<> append(LogTail& tail, Kind kind, std::string_view bytes) {
  if (bytes.size() > log::kLargestRecord) return invalid("a log record larger than 64 KiB");
  RecordHead head{.size = static_cast<std::uint32_t>(bytes.size()), .kind = kind, .time = std::max(tail.last, now())};
  std::string record(reinterpret_cast<const char*>(&head), sizeof head);
  record += bytes;
  const long put = sys::pwrite(tail.segment.get(), record.data(), record.size(), static_cast<long>(tail.used));
  if (put != static_cast<long>(record.size())) {
    sys::ftruncate(tail.segment.get(), static_cast<long>(tail.used));
    return os_error("pwrite", "the log", Errno(put < 0 ? put : -ENOSPC));
  }
  tail.used += record.size();
  tail.last = head.time;
  return ok();
}

void note_in_log(const std::string& root, const std::string& app, const std::string& id, std::string_view line) {
  const auto logs = open_log_directory(root, app, id);
  if (!logs) return;
  if (auto tail = open_log_tail(logs->get())) (void)append(*tail, log::Kind::kSystem, line);
}

Result<std::size_t> sweep_logs(const std::string& root, const std::string& app,
                               const std::function<bool(const std::string& id)>& lives, std::uint64_t most_bytes) {
  struct Log {
    std::string id;
    std::uint64_t size = 0;
    std::int64_t last = 0;  // written to, seconds since 1970
  };
  auto logs = open_logs(root, app);
  if (!logs && logs.error().code == ENOENT) return std::size_t{0};
  if (!logs) return std::move(logs).error();
  std::vector<Log> finished;
  std::uint64_t total = 0;
  for (const std::string& id : TRY(fs::list(logs->get()))) {
    const auto directory = fs::open_beneath(logs->get(), id, O_RDONLY | O_DIRECTORY);
    if (!directory) continue;  // another command has swept it
    Log log{id};
    for (const std::string& name : TRY(fs::list(directory->get()))) {
      struct stat st {};
      if (sys::newfstatat(directory->get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) continue;  // rotated away
      log.size += static_cast<std::uint64_t>(st.st_size);
      log.last = std::max(log.last, std::int64_t{st.st_mtim.tv_sec});
    }
    if (lives(id)) continue;
    total += log.size;
    finished.push_back(std::move(log));
  }
  std::ranges::sort(finished, {}, [](const Log& log) { return std::pair(log.last, log.id); });
  std::size_t removed = 0;
  for (const Log& log : finished) {
    if (total <= most_bytes) break;
    TRY(fs::remove_tree(logs->get(), log.id), "logs of ", log.id);
    total -= log.size;
    ++removed;
  }
  return removed;
}

}  // namespace convox::runtime
