// What did the detached processes of an app say, and what are they saying?
//
// runtime/log_reader.h reads and merges, log_view.h writes; here is which processes are meant, and the wait for more.
#include "cli/cmd_logs.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "cli/app_output.h"
#include "cli/containers_view.h"
#include "cli/log_view.h"
#include "cli/output.h"
#include "cli/times.h"
#include "runtime/base/fs.h"
#include "runtime/base/lock.h"
#include "runtime/holder.h"
#include "runtime/log_reader.h"
#include "runtime/terminal.h"

namespace convox::cli {
namespace {

using runtime::Listed;
using runtime::LogQuestion;
using runtime::LogReader;

constexpr std::int64_t kDefaultSince = 120 * kSecond;

// --- which process -----------------------------------------------------------------------------------------------

// Every process of the app that has a log, also of those that nothing else is known of any more.
Result<std::vector<Listed>> list_logs(const Invocation& invocation, const std::string& app,
                                      const std::vector<Listed>& containers) {
  std::vector<Listed> found;
  const auto logs = fs::open(cat(invocation.globals.root, "/apps/", app, "/logs"), O_RDONLY | O_DIRECTORY);
  if (!logs && logs.error().code == ENOENT) return found;
  if (!logs) return logs.error();
  for (const std::string& id : TRY(fs::list(logs->get()), "logs of ", app)) {
    const auto known = std::ranges::find(containers, id, [](const Listed& one) { return one.record.id; });
    Listed& one = found.emplace_back(known != containers.end() ? *known : Listed{});
    one.record.id = id;
    one.record.app = app;
  }
  return found;
}

// An id says which app, too, unless --app does.
Result<Listed> find_log(const Invocation& invocation, std::string_view text, const std::vector<Listed>& containers) {
  std::vector<std::string> apps;
  if (invocation.value("app"))
    apps.push_back(TRY(find_app(invocation)).name());
  else
    apps = TRY(app::AppStore(invocation.globals.root).names());
  std::vector<Listed> all;
  for (const std::string& app : apps)
    std::ranges::move(TRY(list_logs(invocation, app, containers)), std::back_inserter(all));
  return runtime::find_container(all, text);
}

// --- the end of a process that is followed -----------------------------------------------------------------------

// Does somebody hold it: is it being started, running, or waiting to be started again?
Result<bool> is_claimed(const Containers& containers, const std::string& id) {
  const auto own = containers.records.directory(id);
  if (!own && own.error().code == ENOENT) return false;
  if (!own) return own.error();
  return !TRY(try_lock(own->get(), LockKind::kShared, id));
}

// A process is at its end when nobody holds its claim any more.
class End {
 public:
  End(const Containers& containers, std::string id) : containers_(containers), id_(std::move(id)) {}

  // Has it come? If not, it is time to ask again when fd() is readable.
  Result<bool> has_come() {
    if (id_.empty() || (holder_ && !readable())) return false;
    holder_ = TRY(runtime::find_holder(containers_.records, id_));
    return !holder_.has_value();
  }
  [[nodiscard]] int fd() const { return holder_ ? holder_->news.get() : -1; }

 private:
  [[nodiscard]] bool readable() const {
    pollfd asked{holder_->news.get(), POLLIN, 0};
    timespec at_once{};
    return sys::ppoll(&asked, 1, &at_once) != 0;
  }

  const Containers& containers_;
  std::string id_;
  std::optional<runtime::Holder> holder_;
};

// --- reading -------------------------------------------------------------------------------------------------------

// A log of a process that may write more holds a descriptor open.
void allow_many_files() {
  rlimit64 limit{};
  if (sys::prlimit64(0, RLIMIT_NOFILE, nullptr, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  sys::prlimit64(0, RLIMIT_NOFILE, &limit, nullptr);
}

Result<> follow(LogReader& reader, const LogReader::Sink& sink, LogOutput& output, End& end) {
  bool over = TRY(end.has_come());
  for (;;) {
    TRY(reader.notice());
    if (over) return reader.finish();
    TRY(reader.read(sink));
    TRY(output.flush());
    // While a line waits for its time, what else comes can wait with it: so a flood wakes us 50 times a second, and not
    // once for every write.
    const auto wait = reader.wait();
    TRY(output.wait(wait ? -1 : reader.fd(), end.fd(), wait.value_or(-1)));
    over = TRY(end.has_come());
  }
}

Result<LogQuestion> question_of(const Invocation& invocation) {
  LogQuestion question;
  question.follow = invocation.flag("follow", true) && !invocation.flag("no-follow");
  question.service = invocation.value("service").value_or("");
  for (const std::string_view part : invocation.values("filter")) question.filters.emplace_back(part);
  if (const auto tail = TRY(invocation.number("tail"))) {
    if (*tail < 0) return invalid("--tail must be >= 0");
    question.tail = static_cast<std::size_t>(*tail);
  }
  if (const auto since = invocation.value("since"))
    question.since = TRY(parse_since(*since, now()), "--since");
  else if (!question.tail)
    question.since = now() - kDefaultSince;
  return question;
}

Result<LogView::Style> style_of(const Invocation& invocation) {
  const std::string_view stamps = invocation.value("timestamps").value_or("");
  if (!stamps.empty() && stamps != "nano" && stamps != "true" && stamps != "false")
    return invalid(cat("--timestamps: \"", stamps, "\" is not nano"));
  return LogView::Style{.json = invocation.flag("json"),
                        .nanoseconds = stamps == "nano" || stamps == "true",
                        .terminal = runtime::is_terminal(STDOUT_FILENO) && !invocation.flag("raw")};
}

Result<> show(const Invocation& invocation, LogQuestion question, const Containers& containers) {
  const LogView::Style style = TRY(style_of(invocation));
  LogOutput output = TRY(LogOutput::start());
  LogView view(style, output);
  const LogReader::Sink sink = [&](const runtime::Origin& origin, const runtime::Lines& lines) {
    return view.write(origin, lines);
  };
  End end(containers, question.process);
  const bool follows = question.follow;
  const LogReader::MayGrow may_grow = [&](const std::string& id) { return is_claimed(containers, id); };
  LogReader reader = TRY(LogReader::open(invocation.globals.root, std::move(question), may_grow));
  if (follows) TRY(follow(reader, sink, output, end));
  TRY(reader.read(sink));
  return output.flush();
}

Result<int> logs(const Invocation& invocation) {
  LogQuestion question = TRY(question_of(invocation));
  const auto process = invocation.value("process");
  if (!process) question.app = TRY(find_app(invocation)).name();
  const Containers containers = TRY(open_containers(invocation));
  if (process) {
    const auto all = TRY(containers.all());
    const Listed found = TRY(find_log(invocation, *process, all));
    question.app = found.record.app;
    question.process = found.record.id;
    if (!found.live) {
      question.follow = false;
      if (!invocation.value("since")) question.since = LogQuestion{}.since;
    }
  }
  allow_many_files();
  const auto shown = show(invocation, std::move(question), containers);
  if (!shown && shown.error().kind != Error::Kind::kInterrupted) return shown.error();
  return 0;
}

constexpr Option kOptions[] = {
    kAppOption,
    {.name = "filter", .value = "text", .help = "Only lines that contain this text.", .repeatable = true},
    {.name = "follow", .letter = 'f', .help = "Go on with what is written from now on (default)."},
    {.name = "no-follow", .help = "End with what is there."},
    {.name = "json", .help = "Print one JSON object a line."},
    {.name = "process",
     .letter = 'p',
     .value = "id",
     .help = "Only this process, running or not; its beginning will do."},
    {.name = "raw", .help = "Show a terminal everything that a process wrote, escape sequences too."},
    {.name = "service", .letter = 's', .value = "name", .help = "Only processes of this service."},
    {.name = "since",
     .value = "time",
     .help = "From so long ago on (90s, 1h30m, 2d), or from an instant (2026-01-15T14:30:00Z); default 2m."},
    {.name = "tail", .value = "number", .help = "Begin with the last lines that there are."},
    {.name = "timestamps", .value = "nano", .help = "Times with nanoseconds.", .implied = "nano"},
    {.name = "allow-previous"},  // all that is kept is shown
    {.name = "max-log-requests", .value = "number"},
};

}  // namespace

const Command kLogs = {
    .name = "logs",
    .arguments = "",
    .summary = "get logs for an app",
    .description =
        "Prints what the detached processes of an app write, those of all services and one-off commands, and "
        "goes on with what comes until it is interrupted. With --process it ends with the process. A "
        "finished process can be shown as long as its log is kept.",
    .options = kOptions,
    .run = logs,
};

}  // namespace convox::cli
