#include "cli/cmd_stats.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "cli/containers_view.h"
#include "cli/output.h"
#include "cli/screen.h"
#include "cli/stats_view.h"
#include "cli/times.h"
#include "runtime/signals.h"
#include "runtime/stream.h"

namespace convox::cli {
namespace {

constexpr runtime::Wanted kAll = {
    .cpu = true, .memory = true, .pids = true, .io = true, .pressure = true, .frozen = true};
constexpr long kFirstTick = 200'000'000, kSecondsATick = 1;

std::vector<Process> living(std::vector<runtime::Listed> all, const std::string& app) {
  std::vector<Process> chosen;
  for (runtime::Listed& one : all)
    if (one.live && (app.empty() || one.record.app == app)) chosen.push_back({std::move(one.record), true, {}, now()});
  return chosen;
}

std::vector<std::string> groups_of(std::span<const Process> processes) {
  std::vector<std::string> groups;
  for (const Process& process : processes) groups.push_back(process.record.cgroup);
  return groups;
}

void put(const std::vector<runtime::Usage>& usages, std::vector<Process>& into) {
  for (std::size_t at = 0; at < into.size(); ++at) into[at].usage = usages[at];
}

// Until somebody quits. Sleeps in one poll, on the keys, the signals and the next second.
class Live {
 public:
  Live(const Containers& containers, runtime::Meter meter, std::string app, UniqueFd timer,
       const runtime::SignalWatch& signals)
      : containers_(containers), meter_(std::move(meter)), timer_(std::move(timer)), signals_(signals) {
    view_.app = std::move(app);
  }

  Result<int> run() {
    const bool keys = runtime::is_terminal(STDIN_FILENO);
    Screen screen(keys);
    const auto input = keys ? runtime::StreamEnd::of_user(STDIN_FILENO, O_RDONLY) : runtime::StreamEnd();
    TRY(look());
    for (;;) {
      draw(screen);
      pollfd fds[3] = {{timer_.get(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}, {input.fd(), POLLIN, 0}};
      const long ready = sys::ppoll(fds, 3, nullptr);
      if (ready == -EINTR) continue;
      TRY(check(ready, "ppoll", ""));
      if (fds[1].revents)
        if (const auto status = heard(screen)) return *status;
      if (fds[2].revents && pressed(input)) return 0;
      if (fds[0].revents) TRY(tick());
    }
  }

 private:
  Result<> look() {
    runtime::Survey survey = TRY(runtime::survey_containers(containers_.records, containers_.host.cgroups));
    processes_ = living(std::move(survey.all), view_.app);
    put(meter_.read(groups_of(processes_), kAll), processes_);
    return ok();
  }

  Result<> tick() {
    std::uint64_t ticks = 0;
    sys::read(timer_.get(), &ticks, sizeof ticks);
    return look();
  }

  void draw(const Screen& screen) {
    if (const auto size = runtime::users_terminal_size()) view_.size = *size;
    sort(processes_, view_.order);
    screen.show(frame(view_, processes_));
  }

  // A status if it is time to end.
  std::optional<int> heard(Screen& screen) {
    for (int signal = runtime::next_signal(signals_.fd()); signal != 0; signal = runtime::next_signal(signals_.fd())) {
      if (signal == SIGCONT) screen.enter();
      if (runtime::asks_to_end(signal)) return signal == SIGINT ? 0 : 128 + signal;
    }
    return std::nullopt;
  }

  // True if it is time to end, also because the terminal is gone.
  bool pressed(const runtime::StreamEnd& input) {
    char bytes[256];
    const long got = input.read(bytes, sizeof bytes);
    if (got <= 0) return got != -EAGAIN;
    typed_.append(bytes, static_cast<std::size_t>(got));
    return take_keys(typed_, view_);
  }

  const Containers& containers_;
  runtime::Meter meter_;
  UniqueFd timer_;
  const runtime::SignalWatch& signals_;
  StatsView view_;
  std::vector<Process> processes_;
  std::string typed_;
};

Result<int> once(const Containers& containers, const std::string& app) {
  std::vector<Process> processes = living(TRY(containers.all()), app);
  put(TRY(runtime::usage_now(containers.host, groups_of(processes), kAll)), processes);
  std::vector<std::string_view> headers = {"ID"};
  if (app.empty()) headers.push_back("APP");
  headers.insert(headers.end(), {"NAME", "STATUS", "CPU", "MEM", "USED", "LIMIT", "PIDS", "READ", "WRITTEN", "CPU-PSI",
                                 "MEM-PSI", "IO-PSI"});
  std::ranges::sort(processes, {}, [](const Process& process) {
    return std::tie(process.record.app, process.record.service, process.record.id);
  });
  TRY(print(table_of(headers, processes).text()));
  return 0;
}

bool may_take_terminal() {
  const char* kind = std::getenv("TERM");
  return runtime::is_terminal(STDOUT_FILENO) && runtime::in_foreground(STDOUT_FILENO) && kind &&
         std::string_view(kind) != "dumb";
}

Result<int> stats(const Invocation& invocation) {
  const std::string app = invocation.value("app") ? TRY(app_of(invocation)) : std::string();
  const Containers containers = TRY(open_containers(invocation));
  if (invocation.flag("no-stream") || !may_take_terminal()) return once(containers, app);
  const runtime::SignalWatch signals = TRY(runtime::SignalWatch::start());
  runtime::Meter meter = TRY(runtime::Meter::open(containers.host));
  UniqueFd timer(TRY(check(sys::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd_create", "")));
  const itimerspec times{{kSecondsATick, 0}, {0, kFirstTick}};
  TRY(check(sys::timerfd_settime(timer.get(), 0, &times, nullptr), "timerfd_settime", ""));
  return Live(containers, std::move(meter), app, std::move(timer), signals).run();
}

constexpr Option kOptions[] = {{"app", 'a', "name", "Only processes of this app; otherwise of all."},
                               {"no-stream", 0, {}, "Print a table, once."}};

}  // namespace

const Command kStats = {
    .name = "stats",
    .arguments = "",
    .summary = "watch what processes use",
    .description =
        "Shows the processes of all apps and what each uses, every second. Keys: c m p i n order\n"
        "by cpu, memory, pids, io and name; arrows and pages move; q quits. PSI is the part of the\n"
        "last ten seconds, in percent, in which work waited for cpu, memory and io.\n"
        "Where standard output is no terminal: a table, once.",
    .options = kOptions,
    .run = stats};
const Command kTop = {
    .name = "top", .arguments = "", .summary = "the same as stats", .options = kOptions, .run = stats};

}  // namespace convox::cli
