#include "runtime/log_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>

#include "runtime/base/fs.h"

namespace convox::runtime {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr const char* kOriginName = "process.json";
constexpr std::size_t kLargestOrigin = 1 << 20;

std::int64_t nanoseconds(int clock) {
  timespec at{};
  sys::clock_gettime(clock, &at);
  return at.tv_sec * kSecond + at.tv_nsec;
}

std::size_t lines_in(std::string_view text) { return static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1; }

// Calls `see` with each of the lines, until it says false.
template <class See>
void each_line(std::string_view text, See see) {
  for (;;) {
    const std::size_t end = text.find('\n');
    if (!see(text.substr(0, end)) || end == text.npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Result<LogReader> LogReader::open(const std::string& root, LogQuestion question, const MayGrow& may_grow) {
  LogReader reader(std::move(question));
  const LogQuestion& asked = reader.question_;
  reader.final_ = !asked.follow;
  reader.now_ = now();
  reader.app_ = TRY(fs::open(cat(root, "/apps/", asked.app), O_RDONLY | O_DIRECTORY));
  auto logs = asked.follow ? fs::make_and_open_directory(reader.app_.get(), "logs", 0700)
                           : fs::open_beneath(reader.app_.get(), "logs", O_RDONLY | O_DIRECTORY);
  if (!logs && logs.error().code == ENOENT) return reader;  // nothing was ever logged
  reader.logs_ = TRY(std::move(logs));
  if (asked.follow) reader.watch_ = TRY(LogWatch::start(reader.app_.get(), reader.logs_.get()));
  for (const std::string& id : TRY(fs::list(reader.logs_.get()), "logs")) {
    const bool grows = asked.follow && TRY(may_grow(id));
    TRY(reader.add(id, grows, false));
  }
  if (asked.tail) {
    const std::size_t tail = std::min(*asked.tail, reader.skip_);
    reader.skip_ -= tail;
    if (!asked.follow) reader.left_ = tail;
  }
  return reader;
}

LogReader::Now LogReader::now() { return {nanoseconds(CLOCK_REALTIME), nanoseconds(CLOCK_MONOTONIC)}; }

// --- which processes -------------------------------------------------------------------------------------------

Result<> LogReader::add(const std::string& id, bool may_grow, bool is_new) {
  if (id.starts_with('.') || processes_.contains(id)) return ok();
  if (!question_.process.empty() && id != question_.process) return ok();
  auto made = std::make_unique<Process>(logs_.get(), id, question_.since);
  if (may_grow) made->watch = TRY(watch_->add(id));
  may_grow = made->watch != LogWatch::kNone;
  if (!may_grow && TRY(is_older_than_asked(*made))) return ok();
  Process& process = *(processes_[id] = std::move(made));
  if (process.watch != LogWatch::kNone) watched_[process.watch] = &process;
  if (!TRY(find_origin(process, may_grow))) return ok();
  if (question_.tail && !is_new) skip_ += TRY(begin_at_tail(process));
  return fill(process);
}

// After inotify lost events: all of it may have changed.
Result<> LogReader::rescan(LogWatch::Changes& changes) {
  changes.made = TRY(fs::list(logs_.get()), "logs");
  changes.grown.clear();
  for (const auto& [watch, process] : watched_) changes.grown.push_back(watch);
  return ok();
}

// False: it is not known yet, or the process is not asked for and forgotten.
Result<bool> LogReader::find_origin(Process& process, bool may_grow) {
  const std::string id = process.origin.id;
  auto text = fs::read(logs_.get(), cat(id, "/", kOriginName), kLargestOrigin);
  if (!text && text.error().code == ENOENT && may_grow) return false;
  if (!text && text.error().code != ENOENT) return std::move(text).error();
  auto origin = text ? parse_origin(*text) : std::move(text).error();
  // What it wrote is worth more than its name.
  if (origin)
    process.origin = std::move(*origin);
  else
    process.origin.service = "unknown";
  process.origin.id = id;
  process.origin.app = question_.app;
  if (question_.service.empty() || question_.service == process.origin.service) return true;
  forget(process);
  return false;
}

// Can be told without reading: nothing was written since.
Result<bool> LogReader::is_older_than_asked(Process& process) const {
  const auto segments = TRY(process.lines.records().segments());
  if (segments.empty()) return true;
  struct stat st {};
  const std::string path = process.lines.records().path(segments.back());
  const long found = sys::newfstatat(logs_.get(), path.c_str(), &st, AT_SYMLINK_NOFOLLOW);
  if (found == -ENOENT) return true;  // swept away since it was listed
  TRY(check(found, "stat", path));
  return st.st_mtim.tv_sec * kSecond + st.st_mtim.tv_nsec < question_.since;
}

void LogReader::forget(Process& process) {
  if (process.watch != LogWatch::kNone) {
    watch_->remove(process.watch);
    watched_.erase(process.watch);
  }
  processes_.erase(std::string(process.origin.id));
}

// --- the last lines ----------------------------------------------------------------------------------------------

// Looks from the newest segment back, twice as far each time, until there are enough. How many there are from where it
// begins.
Result<std::size_t> LogReader::begin_at_tail(Process& process) {
  LogRecords& records = process.lines.records();
  auto segments = TRY(records.segments());
  std::erase_if(segments, [first = records.first_since(segments)](std::uint64_t one) { return one < first; });
  if (segments.empty()) return std::size_t{0};
  std::size_t found = 0;
  for (std::size_t back = 1;; back = std::min(2 * back, segments.size())) {
    const std::uint64_t first = segments[segments.size() - back];
    found = TRY(count(process.origin.id, first));
    records.begin_at(first);
    if (found >= *question_.tail || back == segments.size()) return found;
  }
}

Result<std::size_t> LogReader::count(const std::string& id, std::uint64_t first_segment) const {
  LogLines all(LogRecords(logs_.get(), id, question_.since));
  all.records().begin_at(first_segment);
  std::size_t found = 0;
  Lines lines;
  while (TRY(all.next(lines)) || (final_ && all.rest_of(lines))) {
    if (question_.filters.empty()) {
      found += lines_in(lines.text);
      continue;
    }
    each_line(lines.text, [&](std::string_view line) {
      found += matches(line);
      return true;
    });
  }
  return found;
}

// --- the merge -----------------------------------------------------------------------------------------------------

bool LogReader::later(const Process* a, const Process* b) {
  return a->head.time != b->head.time ? a->head.time > b->head.time : a->origin.id > b->origin.id;
}

// Puts the process into the queue, if it has said more.
Result<> LogReader::fill(Process& process) {
  process.queued = TRY(process.lines.next(process.head)) || (final_ && process.lines.rest_of(process.head));
  if (process.queued) {
    process.seen = now_.monotonic;
    queue_.push_back(&process);
    std::ranges::push_heap(queue_, later);
  } else if (process.gone) {
    forget(process);
  } else if (process.lines.ended() || final_) {
    process.lines.records().rest();
  }
  return ok();
}

// The clock that stamps lines may be set back; then they wait by the one that cannot.
bool LogReader::may_go(const Process& process) const {
  return final_ || process.head.time <= std::max(last_, now_.real - kHold) || process.seen <= now_.monotonic - kHold;
}

std::optional<std::int64_t> LogReader::wait() const {
  if (queue_.empty()) return std::nullopt;
  const Process& first = *queue_.front();
  const Now present = now();
  const std::int64_t by_real = first.head.time + kHold - present.real;
  const std::int64_t by_monotonic = first.seen + kHold - present.monotonic;
  return std::clamp(std::min(by_real, by_monotonic), std::int64_t{0}, kHold);
}

Result<> LogReader::read(const Sink& sink) {
  now_ = now();
  while (!queue_.empty() && may_go(*queue_.front())) {
    Process& process = *queue_.front();
    std::ranges::pop_heap(queue_, later);
    queue_.pop_back();
    TRY(hand_on(process, sink));
    TRY(fill(process));
  }
  return ok();
}

bool LogReader::matches(std::string_view line) const {
  return std::ranges::all_of(question_.filters, [&](const std::string& part) { return line.find(part) != line.npos; });
}

Result<> LogReader::hand_on(const Process& process, const Sink& sink) {
  last_ = std::max(last_, process.head.time);
  Lines lines{last_, process.head.stream, process.head.text};
  if (question_.filters.empty() && skip_ == 0 && !left_) return sink(process.origin, lines);
  Result<> handed = ok();
  each_line(process.head.text, [&](std::string_view line) {
    if (!matches(line)) return true;
    if (skip_ > 0) {
      --skip_;
      return true;
    }
    if (left_ && *left_ == 0) return false;
    if (left_) --*left_;
    lines.text = line;
    handed = sink(process.origin, lines);
    return handed.has_value();
  });
  return handed;
}

Result<> LogReader::notice() {
  now_ = now();
  LogWatch::Changes changes = TRY(watch_->changes());
  if (changes.all_gone) return not_found(cat("the logs of app ", question_.app, " were removed"));
  if (changes.lost) TRY(rescan(changes));
  for (const std::string& id : changes.made) TRY(add(id, true, true));
  for (const int watch : changes.grown) {
    const auto found = watched_.find(watch);
    if (found == watched_.end() || found->second->queued) continue;
    Process& process = *found->second;
    if (process.origin.app.empty() && !TRY(find_origin(process, true))) continue;
    TRY(fill(process));
  }
  for (const int watch : changes.gone) {
    const auto found = watched_.find(watch);
    if (found == watched_.end()) continue;
    Process& process = *found->second;
    watched_.erase(found);
    process.watch = LogWatch::kNone;
    process.gone = true;
    if (!process.queued) TRY(fill(process));  // what it holds open can be read to its end
  }
  return ok();
}

Result<> LogReader::finish() {
  final_ = true;
  for (const auto& [id, process] : processes_)  // fill() forgets none of them: what is gone is queued
    if (!process->queued && !process->origin.app.empty()) TRY(fill(*process));
  return ok();
}

}  // namespace convox::runtime
