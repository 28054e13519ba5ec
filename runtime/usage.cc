#include "runtime/usage.h"

#include <fcntl.h>
#include <time.h>

#include "runtime/base/fs.h"

namespace convox::runtime {
namespace {

template <class Value>
void keep(Result<Value> from, Value& into) {
  if (from) into = std::move(*from);
}

void read_memory(cgroups::GroupFiles files, const Host& host, Usage& into) {
  const auto memory = cgroups::memory_usage(files, host.cgroups);
  if (!memory) return;
  into.memory = memory->used;
  if (memory->max) into.memory_limit = *memory->max;
}

void read_pressure(cgroups::GroupFiles files, Usage& into) {
  keep(cgroups::pressure(files, cgroups::Resource::kCpu), into.cpu_pressure);
  keep(cgroups::pressure(files, cgroups::Resource::kMemory), into.memory_pressure);
  keep(cgroups::pressure(files, cgroups::Resource::kIo), into.io_pressure);
}

void wait_once(std::chrono::nanoseconds time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  timespec left{seconds.count(), (time - seconds).count()};  // counted down, so EINTR needs no clock: ppoll(2)
  while (sys::ppoll(nullptr, 0, &left) == -EINTR) continue;
}

}  // namespace

double Usage::memory_percent() const {
  return memory_limit == 0 ? 0 : 100.0 * static_cast<double>(memory) / static_cast<double>(memory_limit);
}

Result<Meter> Meter::open(const Host& host) {
  UniqueFd root = TRY(fs::open(host.cgroups.mount_point, O_RDONLY | O_DIRECTORY));
  return Meter(host, std::move(root));
}

void Meter::read_growing(cgroups::GroupFiles files, const std::string& group, const Wanted& wanted, Usage& into) {
  if (wanted.cpu) keep(cgroups::cpu_usage(files), into.cpu_time);
  if (wanted.io) keep(cgroups::io_usage(files), into.io);
  const Sample now{into.cpu_time, into.io ? into.io->read + into.io->written : 0, Clock::now(), round_};
  const auto [last, first] = last_.try_emplace(group, now);
  const double seconds = std::chrono::duration<double>(now.at - last->second.at).count();
  // A group that was made anew for another start counts from zero again.
  const auto rate = [&](std::uint64_t before, std::uint64_t after) {
    return seconds > 0 && after >= before ? static_cast<double>(after - before) / seconds : 0.0;
  };
  into.cpu = rate(last->second.cpu_time, now.cpu_time) / 10'000;  // microseconds a second, as percent
  into.io_rate = rate(last->second.io, now.io);
  last->second = now;
}

void Meter::begin(const std::vector<std::string>& groups, const Wanted& wanted) {
  for (const std::string& group : groups) {
    Usage unused;
    read_growing({root_.get(), group, true}, group, wanted, unused);
  }
}

std::vector<Usage> Meter::read(const std::vector<std::string>& groups, const Wanted& wanted) {
  std::vector<Usage> all(groups.size());
  for (std::size_t at = 0; at < groups.size(); ++at) {
    Usage& usage = all[at];
    usage.memory_limit = host_.memory_total;
    const cgroups::GroupFiles files{root_.get(), groups[at], true};
    if (wanted.cpu || wanted.io) read_growing(files, groups[at], wanted, usage);
    if (wanted.memory) read_memory(files, host_, usage);
    if (wanted.pids) keep(cgroups::pids_current(files), usage.pids);
    if (wanted.pressure) read_pressure(files, usage);
    if (wanted.frozen) keep(cgroups::is_frozen(files), usage.frozen);
  }
  std::erase_if(last_, [this](const auto& one) { return one.second.round != round_; });  // gone since
  ++round_;
  return all;
}

Result<std::vector<Usage>> usage_now(const Host& host, const std::vector<std::string>& groups, const Wanted& wanted) {
  if (groups.empty() || !wanted.any()) return std::vector<Usage>(groups.size());
  Meter meter = TRY(Meter::open(host));
  if (wanted.cpu) {
    meter.begin(groups, {.cpu = true});
    wait_once(kWindow);
  }
  return meter.read(groups, wanted);
}

}  // namespace convox::runtime
