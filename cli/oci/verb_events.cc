// convox-oci events: what a container has used, now or again and again, and when memory ran out.
#include <fcntl.h>
#include <poll.h>
#include <sys/timerfd.h>

#include <array>
#include <ctime>

#include "cgroups/cgroup.h"
#include "cgroups/oci_stats.h"
#include "cgroups/stats.h"
#include "cli/oci/known.h"
#include "cli/times.h"
#include "runtime/base/fs.h"
#include "runtime/base/json.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

constexpr Flag kFlags[] = {
    {"stats", 0, "", "print the statistics once"},
    {"interval", 0, "DURATION", "how often to print them (5s)"},
};

Result<> print_event(std::string_view type, const std::string& id, std::string_view data) {
  std::string line = cat(R"({"type":")", type, R"(","id":")", id, "\"");  // an id needs no escapes
  if (!data.empty()) line += cat(",\"data\":", data);
  return print_line(line + "}");
}

// cgroup2 wakes whoever polls memory.events when a line of it changes; a read arms that.
class OutOfMemory {
 public:
  explicit OutOfMemory(const cgroups::Cgroup& group)
      : file_(sys::openat(group.fd(), "memory.events", O_RDONLY | O_CLOEXEC)) {
    kills_ = read();
  }
  [[nodiscard]] pollfd waits() const { return {file_.get(), POLLPRI, 0}; }
  // Since it was asked last.
  bool happened() {
    const std::uint64_t before = kills_;
    kills_ = read();
    return kills_ > before;
  }

 private:
  [[nodiscard]] std::uint64_t read() const {
    char text[512];
    const long size = file_ ? sys::pread(file_.get(), text, sizeof text, 0) : 0;
    if (size <= 0) return 0;
    return cgroups::flat_value({text, static_cast<std::size_t>(size)}, "oom_kill").value_or(0);
  }
  UniqueFd file_;
  std::uint64_t kills_ = 0;
};

Result<UniqueFd> timer_of(std::int64_t interval) {
  UniqueFd timer(TRY(check(sys::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create", "")));
  const timespec every{interval / cli::kSecond, interval % cli::kSecond};
  const itimerspec set{every, every};
  TRY(check(sys::timerfd_settime(timer.get(), 0, &set, nullptr), "timerfd_settime", ""));
  return timer;
}

Result<> follow(const Known& known, const cgroups::Cgroup& group, const UniqueFd& process, std::int64_t interval) {
  const UniqueFd timer = TRY(timer_of(interval));
  OutOfMemory memory(group);
  for (;;) {
    std::array<pollfd, 3> fds = {pollfd{process.get(), POLLIN, 0}, pollfd{timer.get(), POLLIN, 0}, memory.waits()};
    const long ready = sys::ppoll(fds.data(), fds.size(), nullptr);
    if (ready == -EINTR) continue;
    TRY(check(ready, "ppoll", ""));
    if (fds[2].revents && memory.happened()) TRY(print_event("oom", known.state.id, ""));
    if (fds[0].revents) return ok();
    std::uint64_t ticks = 0;
    if (fds[1].revents && sys::read(timer.get(), &ticks, sizeof ticks) > 0) {
      const auto stats = cgroups::stats_json(group, known.state.pid);
      if (stats) TRY(print_event("stats", known.state.id, *stats));
    }
  }
}

Result<int> events(const Globals& globals, const Words& words) {
  const std::int64_t interval = TRY(cli::parse_duration(words.value("interval").value_or("5s")), "--interval");
  if (interval == 0) return invalid("--interval must be greater than 0");
  const Known known = TRY(find_container(globals, words.arguments[0]));
  const auto process = TRY(find_process(known.state));
  if (!process) return invalid("container not running");
  const auto group = TRY(cgroups::Cgroup::open(hierarchy_or_none(), known.state.cgroup));
  if (words.has("stats")) {
    const std::string stats = TRY(cgroups::stats_json(group, known.state.pid));
    TRY(print_event("stats", known.state.id, stats));
    return 0;
  }
  TRY(follow(known, group, *process, interval));
  return 0;
}

}  // namespace

const Verb kEvents = {.name = "events",
                      .usage = "[flags] ID",
                      .help = "print what a container uses, and when it ran out of memory",
                      .flags = kFlags,
                      .least = 1,
                      .most = 1,
                      .perform = events};

}  // namespace convox::oci
