// convox-oci events: what a container has used, now or again and again, and when memory ran out.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "cgroups/cgroup.h"
#include "cgroups/stats.h"
#include "cli/oci/known.h"
#include "cli/times.h"
#include "runtime/base/fs.h"
#include "runtime/base/json.h"
#include "runtime/base/words.h"
#include "runtime/oci/stats_json.h"

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

// "eth0: 1 2 3 4 ..." behind two lines of titles: bytes, packets, errors, dropped and four more received, then the same
// sent.  proc_pid_net(5)
void write_interfaces(json::Writer& writer, std::string_view table) {
  constexpr const char* kCounters[] = {"Bytes", "Packets", "Errors", "Dropped"};
  writer.StartArray();
  cut(table, '\n');
  cut(table, '\n');
  while (!table.empty()) {
    std::string_view line = cut(table, '\n');
    std::string_view name = cut(line, ':');
    name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
    std::vector<std::uint64_t> values;
    while (!line.empty())
      if (const std::string_view field = cut(line, ' '); !field.empty()) values.push_back(number(field).value_or(0));
    if (values.size() < 16) continue;
    writer.StartObject();
    writer.Key("Name");
    json::write(writer, name);
    for (const auto& [direction, first] : {std::pair{"Rx", std::size_t{0}}, std::pair{"Tx", std::size_t{8}}})
      for (std::size_t i = 0; i < 4; ++i) {
        const std::string key = cat(direction, kCounters[i]);
        writer.Key(key.data(), static_cast<rapidjson::SizeType>(key.size()));
        writer.Uint64(values[first + i]);
      }
    writer.EndObject();
  }
  writer.EndArray();
}

// Of a network that is the container's own; the host's is none of its doing.
std::string network_of(const State& state) {
  if (!(state.namespaces & CLONE_NEWNET)) return {};
  auto table = fs::read(AT_FDCWD, cat("/proc/", state.pid, "/net/dev"), 1 << 20);
  return table ? *std::move(table) : std::string();
}

Result<std::string> stats_of(const State& state, const cgroups::Cgroup& group) {
  const cgroups::Counters counters = TRY(cgroups::read_counters(group));
  json::Buffer buffer;
  json::Writer writer(buffer);
  writer.StartObject();
  write_stats(writer, counters);
  writer.Key("intel_rdt");
  writer.StartObject();
  writer.EndObject();
  writer.Key("network_interfaces");
  write_interfaces(writer, network_of(state));
  writer.EndObject();
  return std::string(buffer.GetString(), buffer.GetSize());
}

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
      const auto stats = stats_of(known.state, group);
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
  const cgroups::Hierarchy hierarchy = TRY(hierarchy_or_none());
  const auto group = TRY(cgroups::Cgroup::open(hierarchy, known.state.cgroup));
  if (words.has("stats")) {
    const std::string stats = TRY(stats_of(known.state, group));
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
