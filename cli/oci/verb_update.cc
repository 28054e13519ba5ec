// convox-oci update: what a container may use, while it runs. What is not named stays as it is.
#include <fcntl.h>
#include <unistd.h>

#include <limits>

#include "cgroups/cgroup.h"
#include "cgroups/device_filter.h"
#include "cgroups/resources.h"
#include "cgroups/stats.h"
#include "cli/oci/known.h"
#include "cli/sizes.h"
#include "runtime/base/fs.h"
#include "runtime/base/words.h"
#include "runtime/host.h"
#include "runtime/oci/config.h"
#include "runtime/oci/systemd.h"

namespace convox::oci {
namespace {

constexpr std::size_t kLargestDocument = 1 << 20;

constexpr Flag kFlags[] = {
    {"resources", 'r', "FILE", "a LinuxResources document; `-`: on standard input"},
    {"blkio-weight", 0, "N", "its share of block I/O, 10 to 1000"},
    {"cpu-period", 0, "MICROSECONDS", "the period of --cpu-quota"},
    {"cpu-quota", 0, "MICROSECONDS", "processor time in each period"},
    {"cpu-burst", 0, "MICROSECONDS", "what it may save up"},
    {"cpu-share", 0, "N", "its share of processors, 2 to 262144"},
    {"cpu-rt-period", 0, "MICROSECONDS", "an error: cgroup v2 has no real-time groups"},
    {"cpu-rt-runtime", 0, "MICROSECONDS", "an error: cgroup v2 has no real-time groups"},
    {"cpu-idle", 0, "0|1", "only what others leave"},
    {"cpuset-cpus", 0, "LIST", "which processors"},
    {"cpuset-mems", 0, "LIST", "which memory nodes"},
    {"kernel-memory", 0, "BYTES", "accepted and not used"},
    {"kernel-memory-tcp", 0, "BYTES", "accepted and not used"},
    {"memory", 0, "BYTES", "the limit; -1: none"},
    {"memory-reservation", 0, "BYTES", "what reclaim leaves alone"},
    {"memory-swap", 0, "BYTES", "memory and swap together; -1: no limit"},
    {"pids-limit", 0, "N", "processes and threads; -1: no limit"},
    {"l3-cache-schema", 0, "SCHEMA", "Intel RDT, L3 cache"},
    {"mem-bw-schema", 0, "SCHEMA", "Intel RDT, memory bandwidth"},
};

Error no_number(std::string_view flag, std::string_view text) {
  return invalid(cat("--", flag, ": \"", text, "\" is no number"));
}

Result<> take(const Words& words, std::string_view flag, std::optional<std::int64_t>& into) {
  const auto text = words.value(flag);
  if (!text) return ok();
  const bool negative = text->starts_with('-');
  const auto value = number(std::string_view(*text).substr(negative ? 1 : 0));
  if (!value || *value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return no_number(flag, *text);
  into = negative ? -static_cast<std::int64_t>(*value) : static_cast<std::int64_t>(*value);
  return ok();
}

Result<> take(const Words& words, std::string_view flag, std::optional<std::uint64_t>& into) {
  const auto text = words.value(flag);
  if (!text) return ok();
  into = number(*text);
  return into ? ok() : Result<>(no_number(flag, *text));
}

Result<> take_size(const Words& words, std::string_view flag, std::optional<std::int64_t>& into) {
  const auto text = words.value(flag);
  if (!text) return ok();
  into = *text == "-1" ? -1 : TRY(cli::parse_size(*text, 1), "--", flag);
  return ok();
}

Result<> take_flags_of(const Words& words, cgroups::Resources& resources) {
  TRY(take(words, "blkio-weight", resources.io_weight));
  TRY(take(words, "cpu-period", resources.cpu_period));
  TRY(take(words, "cpu-quota", resources.cpu_quota));
  TRY(take(words, "cpu-burst", resources.cpu_burst));
  TRY(take(words, "cpu-share", resources.cpu_shares));
  TRY(take(words, "cpu-rt-period", resources.realtime_period));
  TRY(take(words, "cpu-rt-runtime", resources.realtime_runtime));
  TRY(take(words, "cpu-idle", resources.cpu_idle));
  TRY(take(words, "pids-limit", resources.pids_limit));
  TRY(take_size(words, "memory", resources.memory_limit));
  TRY(take_size(words, "memory-reservation", resources.memory_reservation));
  TRY(take_size(words, "memory-swap", resources.memory_swap));
  if (const auto list = words.value("cpuset-cpus")) resources.cpus = *list;
  if (const auto list = words.value("cpuset-mems")) resources.mems = *list;
  return ok();
}

Result<cgroups::Resources> resources_of(const Words& words) {
  cgroups::Resources resources;
  if (const auto file = words.value("resources")) {
    const std::string text = *file == "-" ? TRY(fs::read_all(STDIN_FILENO, "standard input", kLargestDocument))
                                          : TRY(fs::read(AT_FDCWD, *file, kLargestDocument));
    resources = TRY(read_resources(text));
  }
  TRY(take_flags_of(words, resources));
  return resources;
}

// What a group's files held before an update, to be put back: half of an update is none.
class Before {
 public:
  Before(const cgroups::Cgroup& group, const std::vector<cgroups::FileValue>& files) : group_(group) {
    for (const cgroups::FileValue& one : files) {
      auto text = fs::read_once(group.fd(), one.file);
      if (text) held_.push_back({one.file, unlimited(one) + *text});
    }
  }

  // The last first, so that no limit stands against another. The error says which could not be put back.
  Error put_back(Error why) const {
    for (auto one = held_.rbegin(); one != held_.rend(); ++one) {
      std::string_view rest = one->value;
      do {
        const auto written = fs::write_once(group_.fd(), one->file, cat(cut(rest, '\n'), "\n"));
        if (!written) why.text += cat("; ", one->file, " could not be put back to ", one->value);
      } while (!rest.empty());
    }
    return why;
  }

 private:
  // A device without a line in io.max has no limit; it takes one to say so.
  static std::string unlimited(const cgroups::FileValue& one) {
    std::string lines;
    if (one.file != "io.max") return lines;
    for (std::string_view rest = one.value; !rest.empty();) {
      std::string_view line = cut(rest, '\n');
      lines += cat(cut(line, ' '), " rbps=max wbps=max riops=max wiops=max\n");
    }
    return lines;
  }

  const cgroups::Cgroup& group_;
  std::vector<cgroups::FileValue> held_;
};

// The class that it made, or was put into beside others: a monitoring group has no schemata of its own.
std::string class_of(std::string_view group) {
  const std::size_t monitoring = group.find("/mon_groups/");
  return std::string(group.substr(0, monitoring));
}

Result<> write_schemata(const State& state, const Words& words) {
  std::string lines;
  for (const char* flag : {"l3-cache-schema", "mem-bw-schema"})
    if (const auto schema = words.value(flag)) lines += *schema + "\n";
  if (lines.empty()) return ok();
  if (state.resctrl.empty()) return invalid("the container has no resctrl group of its own");
  const std::string group = class_of(state.resctrl);
  if (group == ".") return invalid("the container is in resctrl's default class, which is not its own");
  return fs::write_once(AT_FDCWD, cat("/sys/fs/resctrl/", group, "/schemata"), lines);
}

Result<int> update(const Globals& globals, const Words& words) {
  const cgroups::Resources resources = TRY(resources_of(words));
  const Claimed claimed = TRY(claim_container(globals, words.arguments[0]));
  const State& state = claimed.known.state;
  if (claimed.known.status == Status::kStopped) return invalid("container not running");
  const cgroups::Hierarchy hierarchy = TRY(hierarchy_or_none());
  const auto group = TRY(cgroups::Cgroup::open(hierarchy, state.cgroup));
  const bool by_bfq = sys::faccessat2(group.fd(), "io.bfq.weight", 0, 0) == 0;
  const auto files = TRY(cgroups::settings(resources, by_bfq));
  TRY(cgroups::check_usage(group, resources));
  const bool contained = !runtime::in_initial_user_namespace();
  std::vector<cgroups::DeviceRule> devices;
  if (!resources.devices.empty()) devices = cgroups::with_default_devices(resources.devices);
  // systemd first: it writes the files that it knows, and later again what it was told.
  if (state.driver == CgroupDriver::kSystemd)
    TRY(update_scope(state.scope, ::geteuid() != 0 || contained, files, devices));
  const Before before(group, files);
  Result<> written = group.write(files, hierarchy);
  if (written) written = write_schemata(state, words);  // all or nothing, as is the filter of devices
  if (written && !devices.empty()) written = cgroups::filter_devices(group, devices, contained);
  if (!written) return before.put_back(std::move(written).error());
  return 0;
}

}  // namespace

const Verb kUpdate = {.name = "update",
                      .usage = "[flags] ID",
                      .help = "change what a container may use",
                      .flags = kFlags,
                      .least = 1,
                      .most = 1,
                      .perform = update};

}  // namespace convox::oci
